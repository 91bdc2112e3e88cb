"""Brings a package to AWS or an emulator: `python -m infra.deploy --stage dev`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.lanes import Lane
from chalicelib.services.pacing import check_rates
from chalicelib.settings import SettingsError, load
from infra import domain
from infra.adoption import Kept, KeptSecrets, imports, read_kept, template_of
from infra.artifacts import ArtifactBucket
from infra.changes import SECRET, TABLE, Change, losses
from infra.clients import CLIENT_CONFIG, add_target, session
from infra.consumers import RESERVE, Plan, Trio, account_warning, check_consumers
from infra.consumers_now import Platform
from infra.package import PROJECT
from infra.stack import DeploymentError, NotDoneError, Stack
from infra.stages import ASKS_FIRST, settings_of
from infra.template_parts import dump_template, read_template

_EMULATED_API = "/_aws/execute-api/"

NAMING_FUNCTIONS = ("APIHandler", "DeadLetters", "MailEvents")
"""What all functions know, and what only one is told: an environment has 4 KB."""

NEW_FUNCTION = "MailEvents"
"""What a stack of the version before does not have."""


def deploy(
    stage: str = "dev",
    *,
    endpoint_url: str | None = None,
    stack_name: str | None = None,
    parameters: dict[str, str] | None = None,
    package_dir: Path | None = None,
    tell: Callable[[str], None] = print,
    confirm: Callable[[], bool] = lambda: True,
    allow_data_loss: bool = False,
    adopted: Kept | None = None,
) -> dict[str, str]:
    """Create or update the stack from a built package; its outputs and its PublicUrl.

    A parameter that is not given is what the stage's file says; else it keeps its value, or has its default
    when the stack is new. Without a PublicUrl the stack is given its domain's, or the API's own as soon as
    that is known. What will be changed is told, and done if it is confirmed; NotDoneError if not. A new stack
    may adopt the tables and secrets that another has left.
    """
    given = {"Stage": stage, **settings_of(stage), **(parameters or {})}
    template = _read_package_template(package_dir or PROJECT / "build" / stage)
    declared = template["Parameters"]
    if unknown := given.keys() - declared.keys():
        raise DeploymentError(f"the template has no parameter {', '.join(sorted(unknown))}")
    client = session(endpoint_url).client("cloudformation", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
    stack = Stack(client, stack_name or f"vestnik-{stage}", tell)
    before = stack.parameters()
    resulting = {**_defaults(declared), **before, **given}
    trios = check_consumers(resulting)
    domain.check(resulting)
    _check_settings(template, resulting)
    if trios:
        _tell_plans(Platform(stack, endpoint_url), trios, before, resulting, tell)
    template_url = _upload(template, package_dir or PROJECT / "build" / stage, endpoint_url)

    def review(changes: list[Change]) -> bool:
        _tell_changes(stack.name, changes, tell)
        if (lost := losses(changes)) and not allow_data_loss:
            raise DeploymentError(
                "the service would lose (--allow-data-loss permits it):\n" + "\n".join(lost)
            )
        return confirm()

    secrets = None
    if adopted is not None:
        secrets = KeptSecrets(adopted, endpoint_url)
        if stack.resources(TABLE) != adopted[TABLE]:  # else it has adopted them, and broke off then
            for name, table in sorted(adopted[TABLE].items()):
                tell(f"  < import {name}, which is {table}")
            if not confirm():
                raise NotDoneError("nothing is changed")
            tables = dump_template(template_of(adopted, template)).encode()
            protection = {"DeletionProtection": resulting["DeletionProtection"]}
            stack.adopt(ArtifactBucket(endpoint_url).put_at(tables, ".yaml"), protection, imports(adopted))
    if not stack.apply(template_url, declared, given, review):
        tell(f"{stack.name} already is as asked")
    if "PublicUrl" not in given and (address := _missing_public_url(stack, before, endpoint_url)):
        stack.apply(template_url, declared, {**given, "PublicUrl": address})
    if secrets is not None:
        secrets.put_into(stack.resources(SECRET))
    return {**stack.outputs(), "PublicUrl": stack.parameters().get("PublicUrl", "")}


def _tell_changes(name: str, changes: list[Change], tell: Callable[[str], None]) -> None:
    tell(f"{name}: {len(changes)} resources are changed" if changes else f"{name}: only outputs are changed")
    for change in changes:
        tell(str(change))


def _defaults(declared: dict[str, Any]) -> dict[str, str]:
    return {name: str(parameter.get("Default", "")) for name, parameter in declared.items()}


def _tell_plans(
    platform: Platform,
    trios: list[Trio],
    before: dict[str, str],
    resulting: dict[str, str],
    tell: Callable[[str], None],
) -> None:
    """Say what there is of each lane's consumers, what is wanted, and when the account has not enough."""
    sources = platform.sources()
    for trio in trios:
        tell(str(Plan(trio, sources[trio.lane])))
    if account := platform.account():
        reserved, had = int(resulting[RESERVE]), int(before.get(RESERVE, 0)) if sources[Lane.EXPRESS] else 0
        left = account.unreserved - 2 * (reserved - had)  # two functions have the reserve each
        if warning := account_warning({trio.lane: trio.number for trio in trios}, reserved, left):
            tell(warning)
    for note in platform.notes:
        tell(note)


def _check_settings(template: dict[str, Any], parameters: dict[str, str]) -> None:
    """What the functions would refuse when they start, each for itself, is refused here, where it is read."""
    try:
        variables = template["Globals"]["Function"]["Environment"]["Variables"]
    except KeyError:
        return
    values = {
        name: parameters.get(value["Ref"], "made by the stack") if isinstance(value, dict) else str(value)
        for name, value in variables.items()
    }
    try:
        check_rates(load(values))
    except SettingsError as error:
        raise DeploymentError(f"the functions would not start: {error}") from error


def function_environment(stack_name: str, endpoint_url: str | None = None) -> dict[str, str]:
    """The environment of the deployed functions: the names and addresses of everything the stack has."""
    clients = session(endpoint_url)
    stacks = clients.client("cloudformation", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
    functions = clients.client("lambda", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
    environment: dict[str, str] = {}
    for name in NAMING_FUNCTIONS:
        try:
            resource = stacks.describe_stack_resource(StackName=stack_name, LogicalResourceId=name)
        except ClientError as error:
            if name == NEW_FUNCTION and "does not exist" in str(error):
                continue  # a stack that an earlier version made
            raise
        function = resource["StackResourceDetail"]["PhysicalResourceId"]
        found = functions.get_function_configuration(FunctionName=function)
        environment.update(found["Environment"]["Variables"])
    return environment


def _read_package_template(package_dir: Path) -> dict[str, Any]:
    if not (package_dir / "template.yaml").exists():
        raise DeploymentError(f"{package_dir} has no package: python -m infra.package makes it")
    return read_template(package_dir / "template.yaml")


def _upload(template: dict[str, Any], package_dir: Path, endpoint_url: str | None) -> str:
    bucket = ArtifactBucket(endpoint_url)
    bucket.ensure()
    code = bucket.put((package_dir / "deployment.zip").read_bytes(), ".zip")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket.name, "Key": code}
    return bucket.put_at(dump_template(template).encode(), ".yaml")


def _missing_public_url(stack: Stack, before: dict[str, str], endpoint_url: str | None) -> str | None:
    """The address to hand to the stack; None when it has a right one."""
    outputs, parameters = stack.outputs(), stack.parameters()
    known, own = parameters["PublicUrl"], outputs["EndpointURL"].rstrip("/")
    # On an emulator a changed route may give the API a new id: an address of this form follows it.
    if endpoint_url is not None:
        own = f"{endpoint_url}{_EMULATED_API}{outputs['RestAPIId']}/api"
    right = domain.public_url(parameters) or own
    made_here = known in ("", own, domain.public_url(before)) or _EMULATED_API in known
    return right if made_here and known != right else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    add_target(parser)
    parser.add_argument("--parameter", action="append", default=[], metavar="Name=Value")
    parser.add_argument("--package-dir", type=Path, help="build/<stage> by default")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    asking = parser.add_mutually_exclusive_group()
    asking.add_argument(
        "--confirm",
        action="store_true",
        help="ask before anything is changed; by default so for prod at a terminal",
    )
    asking.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--allow-data-loss",
        action="store_true",
        help="replace or remove tables, secrets and queues, too: the service goes on without what is in them",
    )
    parser.add_argument(
        "--adopt",
        type=Path,
        metavar="FILE",
        help="begin with the tables and secrets that another stack has left: infra.destroy has written FILE",
    )
    arguments = parser.parse_args()
    if wrong := [text for text in arguments.parameter if "=" not in text]:
        parser.error(f"--parameter takes Name=Value, not {wrong[0]}")
    return arguments


def _confirmation(arguments: argparse.Namespace) -> Callable[[], bool]:
    """How it is decided whether what was shown is to be done."""
    if arguments.dry_run:
        return lambda: False
    asks = arguments.confirm or (arguments.stage in ASKS_FIRST and sys.stdin.isatty() and not arguments.yes)
    return _is_wanted if asks else lambda: True


def _is_wanted() -> bool:
    try:
        return input("Change it? (yes or no) ").strip().lower() == "yes"
    except EOFError:  # nobody is there
        return False


def main() -> None:
    """Deploy from the command line."""
    arguments = _arguments()
    started = time.monotonic()
    try:
        outputs = deploy(
            arguments.stage,
            endpoint_url=arguments.endpoint_url,
            stack_name=arguments.stack_name,
            parameters=dict(text.split("=", 1) for text in arguments.parameter),
            package_dir=arguments.package_dir,
            confirm=_confirmation(arguments),
            allow_data_loss=arguments.allow_data_loss,
            adopted=read_kept(arguments.adopt) if arguments.adopt else None,
        )
    except NotDoneError:
        print("nothing is changed")
        sys.exit(0 if arguments.dry_run else 1)
    except (DeploymentError, BotoCoreError, ClientError) as failure:
        sys.exit(f"Not deployed: {failure}")
    for name, value in sorted(outputs.items()):
        print(f"{name} = {value}")
    print(f"deployed in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
