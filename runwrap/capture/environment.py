"""Say in what surroundings a run takes place: container, batch scheduler, continuous integration."""

from __future__ import annotations

import os

from runwrap.capture.address import without_credentials
from runwrap.capture.small_file import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VALUE_LENGTH = 256
# By name: an environment is full of secrets, and nothing that is not listed here is recorded.
SCHEDULER = """
    SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_CLUSTER_NAME SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID
    SLURM_STEP_ID SLURM_NNODES SLURM_NODEID SLURM_NTASKS SLURM_PROCID SLURM_LOCALID
    PBS_JOBID PBS_JOBNAME PBS_QUEUE PBS_ARRAY_INDEX PBS_ARRAYID LSB_JOBID LSB_JOBINDEX LSB_QUEUE
    SGE_TASK_ID OAR_JOB_ID FLUX_JOB_ID COBALT_JOBID AWS_BATCH_JOB_ID AWS_BATCH_JOB_ARRAY_INDEX
    JOB_COMPLETION_INDEX RANK LOCAL_RANK WORLD_SIZE OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE
    PMI_RANK PMI_SIZE
"""
# Families of variables: what libraries, schedulers and services read of how a program is to run.
FAMILIES = """
    CUDA_* CUDNN_* NVIDIA_* NCCL_* HIP_* ROCR_* ROCM_*
    HSA_* GPU_* MIOPEN_* CUBLAS_* TORCH_* PYTORCH_* TORCHINDUCTOR_*
    TORCHELASTIC_* XLA_* TF_* JAX_* TPU_* KERAS_* TRITON_* VLLM_* DEEPSPEED_* ACCELERATE_* FSDP_*
    HF_HOME HF_HUB_* HF_DATASETS_* HUGGINGFACE_HUB_CACHE TRANSFORMERS_* TOKENIZERS_* DIFFUSERS_*
    OMP_* KMP_* GOMP_* MKL_* OPENBLAS_* BLIS_* VECLIB_*
    NUMEXPR_* NUMBA_* GOTO_NUM_THREADS RAYON_* JULIA_* R_HOME R_LIBS*
    MALLOC_* OMPI_* PMI_* PMIX_* I_MPI_* UCX_* FI_* GLOO_*
    SLURM_* SBATCH_* SRUN_* PBS_* LSB_* LSF_* SGE_* OAR_* FLUX_* COBALT_* AWS_BATCH_*
    RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_RANK ROLE_RANK MASTER_ADDR MASTER_PORT NODE_RANK
    PYTHON* VIRTUAL_ENV CONDA_* MAMBA_*
    PYENV_VERSION UV_PROJECT_ENVIRONMENT UV_PYTHON PIPENV_ACTIVE POETRY_ACTIVE
    PATH LD_LIBRARY_PATH LD_PRELOAD LIBRARY_PATH CPATH LANG LC_* TZ
    CI GITHUB_ACTOR GITHUB_BASE_REF GITHUB_EVENT_NAME
    GITHUB_HEAD_REF GITHUB_JOB GITHUB_REF GITHUB_REPOSITORY
    GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SHA GITHUB_WORKFLOW RUNNER_ARCH RUNNER_OS
    CI_COMMIT_BRANCH CI_COMMIT_REF_NAME CI_COMMIT_SHA CI_JOB_ID CI_JOB_NAME CI_JOB_URL CI_PIPELINE_ID
    CI_PIPELINE_URL CI_PROJECT_PATH BUILD_ID BUILD_NUMBER BUILD_URL JOB_NAME GIT_BRANCH GIT_COMMIT
    CIRCLE_BRANCH CIRCLE_BUILD_NUM CIRCLE_BUILD_URL CIRCLE_JOB CIRCLE_SHA1 BUILDKITE_BRANCH
    BUILDKITE_BUILD_NUMBER BUILDKITE_BUILD_URL BUILDKITE_COMMIT
    TRAVIS_BRANCH TRAVIS_BUILD_NUMBER TRAVIS_COMMIT
"""
VARIABLE_COUNT = 500
LONG_VALUE_LENGTH = 4096
SECRET_PARTS = ("SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY")
SECRET_ENDS = tuple(
    "TOKEN TOKENS KEY KEYS AUTH JWT COOKIE PASS PWD DSN PRIVATE SIGNATURE SESSION CERT".split()  # noqa: SIM905  # read easily
)
OTHERS = ("TF_VAR_",)  # Terraform's, and anything may be in there
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


def describe(environ: Mapping[str, str], keep: Sequence[str] = ()) -> dict[str, object]:
    """Return the value of the `environment` fact; `keep` are names and patterns of the user's own."""
    return {
        "container": container(environ),
        "scheduler": scheduler(environ),
        "ci": ci(environ),
        "variables": variables(environ, keep),
    }


def variables(environ: Mapping[str, str], keep: Sequence[str]) -> dict[str, str]:
    """Pick the variables by which programs are told how to run, and those that the user names."""
    patterns = [pattern.split("*") for pattern in [*FAMILIES.split(), *keep]]
    wanted = [name for name in environ if any(fits(name, parts) for parts in patterns)]
    names = sorted(name for name in wanted if not is_secret(name))
    return {name: shown(environ[name]) for name in names[:VARIABLE_COUNT]}


def fits(name: str, parts: list[str]) -> bool:
    """Tell whether a name is that of a pattern, which was split at its stars."""
    first, *rest = parts
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(rest[-1]) and len(name) - len(rest[-1]) >= at


def is_secret(name: str) -> bool:
    """Tell whether a variable is called like one that holds a key or a password."""
    word = name.upper()
    return (
        word.startswith(OTHERS)
        or any(part in word for part in SECRET_PARTS)
        or any(part.endswith(SECRET_ENDS) for part in word.split("_"))
    )


def shown(value: str) -> str:
    """Return a value without the user and the password of an address in it, and not too long."""
    words = value[: 4 * LONG_VALUE_LENGTH].split(" ")
    clean = " ".join(without_credentials(word) if "://" in word else word for word in words)
    return clean if len(clean) <= LONG_VALUE_LENGTH else clean[:LONG_VALUE_LENGTH] + "…"


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
