#!/bin/sh
# Starts dynaprune where this folder was unpacked: `./run reproduce fig1 --profile fast`. Data sets are looked for in
# $DYNAPRUNE_DATA, else in `data` in this folder; results and pages go to `results` and `docs` in it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# A program for CUDA cannot even start without these libraries; say which one is missing instead of what the loader says.
needed=$(ldd "$here/dynaprune" 2>/dev/null | sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found.*/\1/p' || true)
if [ -n "$needed" ]; then
    folders=""
    # What PyTorch and its kin bring along, then an installed CUDA.
    if command -v python3 >/dev/null 2>&1; then
        folders=$(python3 - <<'EOF' || true
import glob, os, sys
found = []
for base in sys.path:
    found += glob.glob(os.path.join(base, "nvidia", "*", "lib"))
print(":".join(found))
EOF
        )
    fi
    for folder in /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64; do
        if [ -d "$folder" ]; then folders="${folders:+$folders:}$folder"; fi
    done
    # An empty entry would stand for the current folder.
    if [ -n "$folders" ]; then
        LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders"
        export LD_LIBRARY_PATH
    fi
    missing=$(ldd "$here/dynaprune" | sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found.*/\1/p')
    for library in $missing; do
        case $library in
        libcuda.so*) echo "error: no NVIDIA driver was found (\`$library\`): this program is built for GPUs" >&2 ;;
        *) echo "error: \`$library\` was not found: CUDA 13 and cuDNN 9 are needed, such as those of a PyTorch for CUDA 13" >&2 ;;
        esac
    done
    if [ -n "$missing" ]; then
        echo >&2
        echo "hint: the folders of the libraries go into LD_LIBRARY_PATH; for CPUs there is another bundle" >&2
        exit 2
    fi
fi

export DYNAPRUNE_ROOT="${DYNAPRUNE_ROOT:-$here}"
exec "$here/dynaprune" "$@"
