"""Writes the generated half of this package from feedback.proto: `python -m api.grpc_door.generate`."""

import shutil
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PROTO = Path(__file__).with_name("feedback.proto")
GENERATED = ("feedback_pb2.py", "feedback_pb2.pyi", "feedback_pb2_grpc.py")


def generate(folder: Path) -> None:
    """Writes the files of GENERATED into `folder`; raises RuntimeError where the .proto does not compile."""
    from grpc_tools import protoc

    with TemporaryDirectory() as place:
        wanted = [f"--{kind}_out={place}" for kind in ("python", "pyi", "grpc_python")]
        includes = [f"-I{ROOT}", f"-I{resources.files('grpc_tools') / '_proto'}"]
        if protoc.main(["protoc", *includes, *wanted, str(PROTO)]):
            raise RuntimeError("feedback.proto does not compile")
        for name in GENERATED:
            shutil.copyfile(Path(place) / PROTO.parent.relative_to(ROOT) / name, folder / name)


if __name__ == "__main__":
    generate(PROTO.parent)
