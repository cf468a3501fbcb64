"""The services of the protos."""

import importlib
import pkgutil

from google.protobuf.descriptor import ServiceDescriptor

import wuzapi_manager.v1


def services() -> list[ServiceDescriptor]:
    """Every service of the generated stubs, whichever file it is in."""
    modules = [name for _, name, _ in pkgutil.iter_modules(wuzapi_manager.v1.__path__) if name.endswith("_pb2")]
    files = [importlib.import_module(f"wuzapi_manager.v1.{name}").DESCRIPTOR for name in modules]
    return [service for file in files for service in file.services_by_name.values()]
