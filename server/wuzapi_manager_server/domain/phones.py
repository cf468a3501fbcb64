"""Whom a message goes to: a phone, or a JID, which is how WhatsApp names accounts, groups and channels."""

import re

from wuzapi_manager_server.errors import InvalidInput, Text, Violation

_SEPARATORS = re.compile(r"[ .()\u00a0-]")
_PHONE = re.compile(r"\+?[1-9][0-9]{6,14}")
_JID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?(\.[0-9]{1,3})?(:[0-9]{1,5})?@(s\.whatsapp\.net|lid|g\.us|newsletter)")
_STATUS = "status@broadcast"
_ACCOUNT = "@s.whatsapp.net"
_DEVICE = re.compile(r"[.:][0-9.:]*(?=@)")
_LONGEST = 80


def phone_of(text: str, field: str) -> str:
    """The phone as WUZAPI takes it: digits, or a whole JID. InvalidInput on `field` for anything else.

    A phone is 7 to 15 digits with the country code (E.164), a + before and separators between them are dropped. A JID
    is that of an account, of a hidden account (lid), a group, a channel, or the status broadcast.
    """
    given = text.strip()
    if "@" in given:
        if len(given) <= _LONGEST and (_JID.fullmatch(given) or given == _STATUS):
            return given
        raise _refused(field, given, "is not a JID of WhatsApp", "não é um JID do WhatsApp")
    digits = _SEPARATORS.sub("", given[:_LONGEST])
    if not _PHONE.fullmatch(digits):
        raise _refused(
            field,
            given,
            "is neither a phone with its country code, 7 to 15 digits, nor a JID",
            "não é um telefone com código do país, de 7 a 15 dígitos, nem um JID",
        )
    return digits.removeprefix("+")


def jid_of(text: str, field: str) -> str:
    """The phone as a JID. InvalidInput as `phone_of`."""
    phone = phone_of(text, field)
    return phone if "@" in phone else phone + _ACCOUNT


def account_of(text: str, field: str) -> str:
    """The JID of the account of a phone or JID, whatever its device. InvalidInput also for groups and channels."""
    jid = _DEVICE.sub("", jid_of(text, field))
    if not jid.endswith((_ACCOUNT, "@lid")):
        raise _refused(field, jid, "is not the JID of an account", "não é o JID de uma conta")
    return jid


def digits_of(text: str, field: str) -> str:
    """The digits of a phone, or of the JID that an account has by its phone. InvalidInput for JIDs without a phone."""
    jid = account_of(text, field)
    if not jid.endswith(_ACCOUNT):
        raise _refused(field, jid, "has no phone: give a phone", "não tem telefone: informe um telefone")
    return jid.removesuffix(_ACCOUNT)


def group_of(text: str, field: str) -> str:
    """The JID of a group. InvalidInput on `field` for anything else."""
    jid = text.strip()
    if not (_JID.fullmatch(jid) and jid.endswith("@g.us")):
        raise _refused(field, jid, "is not the JID of a group (...@g.us)", "não é o JID de um grupo (...@g.us)")
    return jid


def _refused(field: str, given: str, en: str, pt: str) -> InvalidInput:
    shown = repr(given[:_LONGEST])
    return InvalidInput([Violation(field, Text(f"{shown} {en}", f"{shown} {pt}"), missing=not given)])
