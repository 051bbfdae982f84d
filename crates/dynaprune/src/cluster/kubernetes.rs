//! Kubernetes: an Indexed Job over the same tasks.

use super::shell;
use super::tasks::Tasks;
use serde_json::{Value, json};

/// The manifest of a Job, with all that it needs but the image and the volume.
pub(crate) struct Manifest<'a> {
    /// As [`job_name`] makes it.
    pub(crate) name: &'a str,
    pub(crate) tasks: &'a Tasks,
    /// The recipe's file, by its name, and what is in it.
    pub(crate) recipe: (&'a str, &'a str),
    /// Likewise the profile's.
    pub(crate) profile: (&'a str, &'a str),
    /// What the program is called with, but for the cells.
    pub(crate) arguments: &'a [String],
    /// An image with the program `dynaprune` on its path.
    pub(crate) image: &'a str,
    /// The claim of the volume that all pods share.
    pub(crate) claim: &'a str,
    pub(crate) max_parallel: Option<u32>,
    pub(crate) cpus: u32,
    pub(crate) gpus: Option<u32>,
    /// In the words of Kubernetes: `64Gi`.
    pub(crate) memory: Option<String>,
    /// Seconds from SIGTERM to SIGKILL.
    pub(crate) grace: u32,
}

/// Where the shared volume is in a pod.
const VOLUME: &str = "/dynaprune";
/// Where recipe, profile and cells are in a pod: a workspace.
const PLAN: &str = "/plan";
/// How often a task that failed is tried again.
const RETRIES: u32 = 2;

/// Where results are in a pod.
pub(crate) fn results() -> String {
    format!("{VOLUME}/results")
}

/// Where data sets are in a pod.
pub(crate) fn data() -> String {
    format!("{VOLUME}/data")
}

impl Manifest<'_> {
    /// The manifest: a list of a config map and the Job that reads it.
    pub(crate) fn value(&self) -> Value {
        json!({ "apiVersion": "v1", "kind": "List", "items": [self.config_map(), self.job()] })
    }

    /// The cells, the recipe and the profile: the image needs no more than the program.
    fn config_map(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": self.name, "labels": labels() },
            "data": { "cells": self.tasks.lines(), "recipe": self.recipe.1, "profile": self.profile.1 },
        })
    }

    fn job(&self) -> Value {
        let tasks = self.tasks.len();
        let parallel = self.max_parallel.map_or(tasks, |most| tasks.min(most as usize));
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": self.name, "labels": labels() },
            "spec": {
                "completionMode": "Indexed",
                "completions": tasks,
                "parallelism": parallel,
                // One task that fails must not keep the others from being made.
                "backoffLimitPerIndex": RETRIES,
                "maxFailedIndexes": tasks,
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": { "rules": [
                    // Stopped with a checkpoint, or taken away with its node: it goes on, and that is no failure.
                    { "action": "Ignore", "onExitCodes": exit_code(75) },
                    { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                    // What cannot be asked for will not be possible the next time.
                    { "action": "FailIndex", "onExitCodes": exit_code(2) },
                ] },
                "template": { "metadata": { "labels": labels() }, "spec": self.pod() },
            },
        })
    }

    fn pod(&self) -> Value {
        let mut resources = json!({ "cpu": self.cpus.to_string() });
        if let Some(memory) = &self.memory {
            resources["memory"] = json!(memory);
        }
        if let Some(gpus) = self.gpus {
            resources["nvidia.com/gpu"] = json!(gpus.to_string());
        }
        json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": self.grace,
            "containers": [{
                "name": "dynaprune",
                "image": self.image,
                "command": ["/bin/sh", "-c", self.script()],
                "env": [{ "name": "DYNAPRUNE_ROOT", "value": PLAN }],
                "resources": { "requests": resources, "limits": resources },
                "volumeMounts": [
                    { "name": "plan", "mountPath": PLAN },
                    { "name": "shared", "mountPath": VOLUME },
                ],
            }],
            "volumes": [
                { "name": "plan", "configMap": { "name": self.name, "items": [
                    { "key": "cells", "path": "cells.txt" },
                    { "key": "recipe", "path": format!("experiments/{}", self.recipe.0) },
                    { "key": "profile", "path": format!("experiments/profiles/{}", self.profile.0) },
                ] } },
                { "name": "shared", "persistentVolumeClaim": { "claimName": self.claim } },
            ],
        })
    }

    /// What a pod runs. The program takes the place of the shell, so that it is told when the pod is to end.
    fn script(&self) -> String {
        format!(
            "set -e; cells=$(sed -n \"$((JOB_COMPLETION_INDEX + 1))p\" {PLAN}/cells.txt); set --; \
             for cell in $cells; do set -- \"$@\" --cell \"$cell\"; done; [ $# -gt 0 ] || exit 2; \
             exec dynaprune {} \"$@\"",
            shell::command(self.arguments)
        )
    }
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": "dynaprune" })
}

fn exit_code(code: u8) -> Value {
    json!({ "containerName": "dynaprune", "operator": "In", "values": [code] })
}

/// A name that Kubernetes takes for a Job whose pods are named after it: lower-case letters, digits and `-`, not too many.
pub(crate) fn job_name(recipe: &str, profile: &str, time: &str) -> String {
    let plain = |text: &str, most: usize| -> String {
        let text = text.to_ascii_lowercase();
        let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
        letters.take(most).collect::<String>().trim_matches('-').to_owned()
    };
    format!(
        "dynaprune-{}-{}-{}",
        plain(recipe, 12),
        plain(profile, 12),
        plain(time, 16)
    )
}

#[cfg(test)]
mod tests {
    use super::super::tasks::Task;
    use super::*;

    fn tasks() -> Tasks {
        let task = |cells: &[&str]| Task {
            cells: cells.iter().map(|&cell| cell.to_owned()).collect(),
            flops: 1.0,
        };
        Tasks {
            first: vec![
                task(&["0000000000000001", "0000000000000002"]),
                task(&["0000000000000003"]),
            ],
            awaited: 1,
            then: vec![task(&["0000000000000004"])],
        }
    }

    fn manifest(tasks: &Tasks, most: Option<u32>) -> Value {
        let arguments = [
            "reproduce",
            "fig1",
            "--profile",
            "smoke",
            "--results",
            "/dynaprune/results",
        ]
        .map(str::to_owned);
        let manifest = Manifest {
            name: "dynaprune-fig1-smoke-20260131t120000z",
            tasks,
            recipe: ("fig1.toml", "title = \"a\"\n"),
            profile: ("smoke.toml", "seeds = 1\n"),
            arguments: &arguments,
            image: "registry.example/dynaprune:1",
            claim: "my-claim",
            max_parallel: most,
            cpus: 8,
            gpus: Some(1),
            memory: Some("32Gi".to_owned()),
            grace: 90,
        };
        let text = serde_json::to_string_pretty(&manifest.value()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Read back from the text, the whole of it.
    #[test]
    fn the_manifest_is_this() {
        let script = "set -e; cells=$(sed -n \"$((JOB_COMPLETION_INDEX + 1))p\" /plan/cells.txt); set --; \
            for cell in $cells; do set -- \"$@\" --cell \"$cell\"; done; [ $# -gt 0 ] || exit 2; \
            exec dynaprune reproduce fig1 --profile smoke --results /dynaprune/results \"$@\"";
        let expected = json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": "dynaprune-fig1-smoke-20260131t120000z",
                        "labels": { "app.kubernetes.io/name": "dynaprune" },
                    },
                    "data": {
                        "cells": "0000000000000001 0000000000000002\n0000000000000003\n0000000000000004\n",
                        "recipe": "title = \"a\"\n",
                        "profile": "seeds = 1\n",
                    },
                },
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "metadata": {
                        "name": "dynaprune-fig1-smoke-20260131t120000z",
                        "labels": { "app.kubernetes.io/name": "dynaprune" },
                    },
                    "spec": {
                        "completionMode": "Indexed",
                        "completions": 3,
                        "parallelism": 2,
                        "backoffLimitPerIndex": 2,
                        "maxFailedIndexes": 3,
                        "podReplacementPolicy": "Failed",
                        "podFailurePolicy": { "rules": [
                            { "action": "Ignore",
                              "onExitCodes": { "containerName": "dynaprune", "operator": "In", "values": [75] } },
                            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                            { "action": "FailIndex",
                              "onExitCodes": { "containerName": "dynaprune", "operator": "In", "values": [2] } },
                        ] },
                        "template": {
                            "metadata": { "labels": { "app.kubernetes.io/name": "dynaprune" } },
                            "spec": {
                                "restartPolicy": "Never",
                                "terminationGracePeriodSeconds": 90,
                                "containers": [{
                                    "name": "dynaprune",
                                    "image": "registry.example/dynaprune:1",
                                    "command": ["/bin/sh", "-c", script],
                                    "env": [{ "name": "DYNAPRUNE_ROOT", "value": "/plan" }],
                                    "resources": {
                                        "requests": { "cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1" },
                                        "limits": { "cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1" },
                                    },
                                    "volumeMounts": [
                                        { "name": "plan", "mountPath": "/plan" },
                                        { "name": "shared", "mountPath": "/dynaprune" },
                                    ],
                                }],
                                "volumes": [
                                    { "name": "plan", "configMap": {
                                        "name": "dynaprune-fig1-smoke-20260131t120000z",
                                        "items": [
                                            { "key": "cells", "path": "cells.txt" },
                                            { "key": "recipe", "path": "experiments/fig1.toml" },
                                            { "key": "profile", "path": "experiments/profiles/smoke.toml" },
                                        ],
                                    } },
                                    { "name": "shared", "persistentVolumeClaim": { "claimName": "my-claim" } },
                                ],
                            },
                        },
                    },
                },
            ],
        });
        let found = manifest(&tasks(), Some(2));
        assert_eq!(found, expected, "{found:#}");
    }

    #[test]
    fn without_a_cap_all_tasks_run_at_once() {
        assert_eq!(manifest(&tasks(), None)["items"][1]["spec"]["parallelism"], 3);
        assert_eq!(manifest(&tasks(), Some(9))["items"][1]["spec"]["parallelism"], 3);
    }

    /// A shell reads the script as a pod would, with a stand-in for the program.
    #[test]
    #[cfg(unix)]
    fn a_pod_makes_the_cells_of_its_index() {
        use std::os::unix::fs::PermissionsExt as _;
        use std::process::Command;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("dynaprune");
        std::fs::write(&program, "#!/bin/sh\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("cells.txt"), tasks().lines()).unwrap();
        let manifest = manifest(&tasks(), None);
        let command = &manifest["items"][1]["spec"]["template"]["spec"]["containers"][0]["command"];
        let script = command[2]
            .as_str()
            .unwrap()
            .replace(PLAN, folder.path().to_str().unwrap());
        let run = |index: &str| {
            let output = Command::new("/bin/sh")
                .args(["-c", &script])
                .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
                .env("JOB_COMPLETION_INDEX", index)
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let called = "reproduce fig1 --profile smoke --results /dynaprune/results";
        assert_eq!(
            run("0"),
            (
                Some(0),
                format!("{called} --cell 0000000000000001 --cell 0000000000000002\n")
            )
        );
        assert_eq!(run("2"), (Some(0), format!("{called} --cell 0000000000000004\n")));
        assert_eq!(run("3"), (Some(2), String::new()));
    }

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        assert_eq!(
            job_name("my_Recipe.1", "smoke", "20260131T120000Z"),
            "dynaprune-my-recipe-1-smoke-20260131t120000z"
        );
        let longest = job_name(&"r".repeat(99), &"p".repeat(99), "20260131T120000Z");
        // Pods add `-<index>-<five letters>` to it, within 63.
        assert!(longest.len() <= 52, "{longest}");
    }
}
