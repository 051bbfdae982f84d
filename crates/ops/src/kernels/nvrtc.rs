//! The kernels through NVRTC, for every architecture that is meant: it needs the library, but no GPU.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

/// Compute capabilities of Ampere, Hopper and Blackwell: as code that drivers translate, and as code for the hardware.
const ARCHITECTURES: [&str; 6] = ["compute_80", "compute_90", "compute_100", "sm_80", "sm_90", "sm_100"];

type Program = *mut c_void;
type Create = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Text = unsafe extern "C" fn(Program, *mut c_char) -> c_int;

#[test]
#[ignore = "needs libnvrtc, which DYNAPRUNE_NVRTC names: `.ci/cuda` runs it"]
fn the_kernels_compile_without_a_warning() {
    let name = std::env::var("DYNAPRUNE_NVRTC").unwrap_or_else(|_| "libnvrtc.so.13".to_owned());
    let source = CString::new(super::source()).unwrap();
    // SAFETY: the functions have these signatures in NVRTC 11 to 13, and are given what they ask for.
    unsafe {
        let library = libloading::Library::new(&name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let create: libloading::Symbol<Create> = library.get(b"nvrtcCreateProgram").unwrap();
        let compile: libloading::Symbol<Compile> = library.get(b"nvrtcCompileProgram").unwrap();
        let text = |size: &[u8], get: &[u8], program: Program| -> String {
            let size: libloading::Symbol<Size> = library.get(size).unwrap();
            let get: libloading::Symbol<Text> = library.get(get).unwrap();
            let mut len = 0;
            assert_eq!(size(program, &raw mut len), 0);
            let mut bytes = vec![0u8; len.max(1)];
            assert_eq!(get(program, bytes.as_mut_ptr().cast()), 0);
            CStr::from_bytes_until_nul(&bytes)
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        for architecture in ARCHITECTURES {
            let mut program: Program = std::ptr::null_mut();
            let file = c"dynaprune.cu".as_ptr();
            assert_eq!(
                create(
                    &raw mut program,
                    source.as_ptr(),
                    file,
                    0,
                    std::ptr::null(),
                    std::ptr::null()
                ),
                0
            );
            let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()];
            let options = options.map(|option| CString::new(option).unwrap());
            let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
            let status = compile(program, 2, pointers.as_ptr());
            let log = text(b"nvrtcGetProgramLogSize", b"nvrtcGetProgramLog", program);
            assert_eq!((status, log.as_str()), (0, ""), "{architecture}");
            if architecture.starts_with("sm_") {
                let size: libloading::Symbol<Size> = library.get(b"nvrtcGetCUBINSize").unwrap();
                let mut len = 0;
                assert_eq!(size(program, &raw mut len), 0);
                assert!(len > 10_000, "{architecture}: {len} bytes of code");
                continue;
            }
            let ptx = text(b"nvrtcGetPTXSize", b"nvrtcGetPTX", program);
            for kernel in super::emulated::names() {
                assert!(
                    ptx.contains(&format!(".entry {kernel}(")),
                    "{architecture}: no kernel `{kernel}`"
                );
            }
        }
    }
}
