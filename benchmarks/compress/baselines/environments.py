"""Make the virtual environments of the tools that burnish is compared with.

Each holds one tool, and burnish beside it, so that task, data and trainer are the same everywhere. Torch-Pruning
needs none: it is part of burnish's extra ``compress``.
``python benchmarks/compress/baselines/environments.py FOLDER`` makes FOLDER/nncf and FOLDER/olive; a tool that cannot
be installed is named with what pip said, and the others are made all the same. What was installed is kept in
FOLDER/environments.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]
TOOLS = {
    "nncf": ("nncf==3.4.0", "torchao==0.18.0"),  # its `strip` imports torchao, which it does not ask for
    "olive": ("olive-ai==0.13.0", "requests"),  # imported, but not asked for
}
BESIDE = ("torch==2.13.0", "-e", f"{REPOSITORY}[compress,openvino,huggingface]")


class RefusedError(Exception):
    """Pip cannot install a tool, or would install what must not come along."""


def make(tool: str, folder: Path) -> dict[str, Any]:
    """Make the environment of a tool, unless it is there already.

    Returns:
        The packages by name, and the size on disk in MB.

    Raises:
        RefusedError: It cannot be made; the text is pip's.
    """
    home = folder / tool
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    wanted = ("-c", str(REPOSITORY / "constraints.txt"), *BESIDE, *TOOLS[tool])
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        pip(python, "install", "--quiet", "--dry-run", "--report", str(report), *wanted)
        check_build(json.loads(report.read_bytes()))
    pip(python, "install", "--quiet", *wanted)
    listed = json.loads(pip(python, "list", "--format", "json"))
    size = sum(file.stat().st_size for file in home.rglob("*") if file.is_file() and not file.is_symlink())
    return {"packages": {item["name"]: item["version"] for item in listed}, "size_mb": round(size / 1e6)}


def pip(python: Path, *arguments: str) -> str:
    done = subprocess.run([python, "-m", "pip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RefusedError(done.stderr.strip())
    return done.stdout


def check_build(report: dict[str, Any]) -> None:
    """Refuse what brings CUDA along: gigabytes of which these comparisons use nothing."""
    packages = {item["metadata"]["name"]: item["metadata"]["version"] for item in report["install"]}
    unwanted = [name for name in packages if name.startswith("nvidia-") or name == "triton"]
    if unwanted:
        raise RefusedError(
            f"pip would install {', '.join(unwanted)}: choose torch's CPU build by pip's configuration"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    record = arguments.folder / "environments.json"
    made = json.loads(record.read_bytes()) if record.exists() else {}
    for tool in arguments.tools:
        try:
            made[tool] = make(tool, arguments.folder)
            print(f"{TOOLS[tool][0]}: installed, {made[tool]['size_mb']} MB")
        except RefusedError as error:
            made[tool] = {"error": str(error)}
            print(f"{TOOLS[tool][0]}: {error}", file=sys.stderr)
    record.write_text(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
