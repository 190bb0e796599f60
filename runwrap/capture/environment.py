"""Say in what surroundings a run takes place: container, batch scheduler, continuous integration."""

from __future__ import annotations

import os

from runwrap.capture.small_file import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE_LENGTH = 256
# Variables by name: an environment is full of secrets, and nothing that is not listed here is recorded.
SCHEDULER = """
    SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_CLUSTER_NAME SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID
    SLURM_STEP_ID SLURM_NNODES SLURM_NODEID SLURM_NTASKS SLURM_PROCID SLURM_LOCALID
    PBS_JOBID PBS_JOBNAME PBS_QUEUE PBS_ARRAY_INDEX PBS_ARRAYID LSB_JOBID LSB_JOBINDEX LSB_QUEUE
    SGE_TASK_ID OAR_JOB_ID FLUX_JOB_ID COBALT_JOBID AWS_BATCH_JOB_ID AWS_BATCH_JOB_ARRAY_INDEX
    JOB_COMPLETION_INDEX RANK LOCAL_RANK WORLD_SIZE OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE
    PMI_RANK PMI_SIZE
"""
CONTAINERS = (
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
    ("APPTAINER_CONTAINER", "apptainer"),
    ("SINGULARITY_CONTAINER", "singularity"),
)
CONTAINER_FILES = (
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
    ("/.singularity.d", "apptainer"),
)
CONTAINER_GROUPS = (
    (b"kubepods", "kubernetes"),
    (b"docker", "docker"),
    (b"libpod", "podman"),
    (b"lxc", "lxc"),
)
CI = (
    ("GITHUB_ACTIONS", "GitHub Actions"),
    ("GITLAB_CI", "GitLab CI"),
    ("JENKINS_URL", "Jenkins"),
    ("CIRCLECI", "CircleCI"),
    ("BUILDKITE", "Buildkite"),
    ("TF_BUILD", "Azure Pipelines"),
    ("BITBUCKET_BUILD_NUMBER", "Bitbucket Pipelines"),
    ("TEAMCITY_VERSION", "TeamCity"),
    ("CODEBUILD_BUILD_ID", "AWS CodeBuild"),
    ("TRAVIS", "Travis CI"),
    ("DRONE", "Drone"),
    ("CI", "CI"),
)
NO = ("", "0", "false", "no")


def describe(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the value of the `environment` fact."""
    return {"container": container(environ), "scheduler": scheduler(environ), "ci": ci(environ)}


def container(environ: Mapping[str, str]) -> str | None:
    """Name the kind of container around us; None when there is no sign of one."""
    for variable, name in CONTAINERS:
        if environ.get(variable):
            return name
    for path, name in CONTAINER_FILES:
        if os.path.exists(path):
            return name
    return container_of_group() or environ.get("container", "")[:VALUE_LENGTH] or None


def container_of_group() -> str | None:
    """Name the container by the control group of the first process."""
    groups = read_bytes("/proc/1/cgroup")
    for mark, name in CONTAINER_GROUPS:
        if b"/" + mark in groups:
            return name
    return None


def scheduler(environ: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables by which a batch scheduler or a launcher names a job and its parts."""
    names = [*SCHEDULER.split(), *(["JOB_ID"] if "SGE_TASK_ID" in environ or "SGE_ROOT" in environ else [])]
    return {name: environ[name][:VALUE_LENGTH] for name in names if environ.get(name)}


def ci(environ: Mapping[str, str]) -> str | None:
    """Name the continuous integration service that we run in."""
    for variable, name in CI:
        if environ.get(variable, "").lower() not in NO:
            return name
    return None
