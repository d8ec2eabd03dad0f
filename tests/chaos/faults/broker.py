"""RabbitMQ is away, dead, silent, or takes nothing."""

import time

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene


@fault(says="RabbitMQ stopped, and started again afterwards")
def rabbitmq_stopped(scene: Scene, seconds: float) -> None:
    """Stop the node as an operator would."""
    scene.rabbitmq.stop()
    try:
        time.sleep(seconds)
    finally:
        scene.rabbitmq.start()


@fault(says="RabbitMQ killed with -9, and started again afterwards")
def rabbitmq_killed(scene: Scene, seconds: float) -> None:
    """End the node as a power cut would."""
    scene.rabbitmq.kill()
    try:
        time.sleep(seconds)
    finally:
        scene.rabbitmq.start()


@fault(says="RabbitMQ frozen (SIGSTOP) with its connections open", seconds=20)
def rabbitmq_frozen(scene: Scene, seconds: float) -> None:
    """Let it answer nothing and close nothing."""
    scene.rabbitmq.freeze()
    try:
        time.sleep(seconds)
    finally:
        scene.rabbitmq.thaw()


@fault(says="RabbitMQ in memory alarm: it takes no publishes")
def rabbitmq_memory_alarm(scene: Scene, seconds: float) -> None:
    """Set the watermark below what it uses."""
    scene.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        time.sleep(seconds)
    finally:
        scene.rabbitmq.control("set_vm_memory_high_watermark", "0.4")
