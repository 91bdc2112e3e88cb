"""The API's own domain: what has to be given together, and the address that follows from it."""

from collections.abc import Mapping

from infra.stack import DeploymentError


def check(parameters: Mapping[str, str]) -> None:
    """Refuse what the template's rules would refuse, before anything is uploaded."""
    name, certificate, zone = (
        parameters.get(each, "") for each in ("DomainName", "CertificateArn", "HostedZoneId")
    )
    if bool(name) != bool(certificate):
        raise DeploymentError("DomainName and CertificateArn are given together or not at all")
    if zone and not name:
        raise DeploymentError("a HostedZoneId needs a DomainName")


def public_url(parameters: Mapping[str, str]) -> str | None:
    """The address that a stack with these parameters has by its domain, if it has one."""
    return f"https://{name}" if (name := parameters.get("DomainName")) else None
