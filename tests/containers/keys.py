"""API keys, created as an operator creates them."""

from tests.containers.project import Project


def create_key(project: Project) -> str:
    """Create a key with the command of the documents, and return it."""
    command = ("python", "manage.py", "notify", "create-api-key", "--name", "operator")
    return project.exec("web", *command, within=60).split()[-1]
