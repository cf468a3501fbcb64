"""Page tokens: opaque, sealed, and bound to the request and the caller they were given to."""

from wuzapi_manager_server.domain.keys import dump_key, load_key
from wuzapi_manager_server.domain.table import Key
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.secret_box import SecretBox


class PageTokens:
    """Seals the place in a list where the next page begins. The place may hold values that the caller may not see."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def give(self, place: Key, binding: bytes) -> str:
        """The token of a place, for the request and caller that `binding` stands for."""
        return self._box.seal("page token", dump_key(place), binding)

    def take(self, token: str, binding: bytes, field: str = "page_token") -> Key:
        """The place of a token; () without one. InvalidInput on `field` where it is not one given for `binding`."""
        if not token:
            return ()
        opened = self._box.unseal("page token", token, binding)
        place = None if opened is None else load_key(opened)
        if place is None:
            raise InvalidInput(
                [
                    Violation(
                        field,
                        Text(
                            "is not a token given for this request and caller; start without one",
                            "Token de paginação inválido para esta consulta; recomece sem ele",
                        ),
                    )
                ]
            )
        return place


def page_size(asked: int, default: int, most: int) -> int:
    """The size to use: 0 is the default, above the most is the most. InvalidInput for a negative one."""
    if asked < 0:
        raise InvalidInput(
            [Violation("page_size", Text("must not be negative", "Tamanho da página não pode ser negativo"))]
        )
    return min(asked or default, most)
