"""Run a compiler in a process of its own.

On a tree that is some thousand levels deep the stack of a compiler overflows, and its process
crashes: 60,000 open elements end css-inline with a segmentation fault.
"""

import subprocess
import sys

TIMEOUT_SECONDS = 10
# One rule of 100 kB for each of 10,000 elements would be a gigabyte.
MEMORY_MAX_BYTES = 512 * 1024**2
WRITTEN_MAX = 2_000_000
REFUSED = 3
# The program defines ``compiled(source)``.
FRAME = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
{program}
try:
    written = compiled(sys.stdin.buffer.read().decode())
    if len(written) > {written}:
        raise ValueError("what it compiles to is too long")
except Exception as error:
    sys.stdout.buffer.write(str(error).encode())
    sys.exit({refused})
sys.stdout.buffer.write(written.encode())
"""


class Refused(Exception):  # noqa: N818 - the name says what happened; it is no program error.
    """The compiler refuses the source; the message is its own."""


class Failed(Exception):  # noqa: N818 - as above.
    """The compiler took too long or crashed; the message says so."""


def compiled_by(program: str, source: str) -> str:
    """Compile a source.

    Args:
        program: Python code that defines the function ``compiled``, from text to text.
        source: The source.

    Raises:
        Refused: The function raised an error.
        Failed: It took longer than ``TIMEOUT_SECONDS``, used more than ``MEMORY_MAX_BYTES``, or
            its process crashed.
    """
    frame = FRAME.format(
        program=program, refused=REFUSED, memory=MEMORY_MAX_BYTES, written=WRITTEN_MAX
    )
    command = [sys.executable, "-c", frame]
    try:
        done = subprocess.run(  # noqa: S603 - all arguments are our own.
            command,
            input=source.encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"it does not compile within {TIMEOUT_SECONDS} s"
        raise Failed(message) from None
    answer = done.stdout.decode()
    if done.returncode == REFUSED:
        raise Refused(answer)
    if done.returncode:
        raise Failed("it does not compile; it may be nested too deep")
    return answer
