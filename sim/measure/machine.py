"""The machine a run was made on: enough to compare figures, nothing that names it or its user."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

#: Packages whose version can change a result or its speed.
PACKAGES = ("numpy", "scipy", "numba", "simpy", "pyarrow", "pydantic", "joblib")
#: Those of a load generator, besides.
LOAD_PACKAGES = ("locust", "gevent", "hdrhistogram", "psutil")


def describe_machine() -> dict[str, str | int | None]:
    """Processor, cores that this process may use, memory, system and Python."""
    return {
        "processor": processor(),
        "cores_usable": usable_cores(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "system": platform.system(),
        "system_release": platform.release().split("-")[0],
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
    }


def package_versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Installed versions of PACKAGES and `more`; what is not installed is left out."""
    found = {}
    for name in (*PACKAGES, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's model name, or its architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Physical memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def peak_rss_bytes() -> int | None:
    """The largest memory this process has held; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
