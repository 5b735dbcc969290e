"""Encryption of what is stored, masking of what is shown."""

import pytest
from cryptography.fernet import Fernet

from gale.errors import ConfigError
from gale.secrets import FernetBox, is_sensitive_name
from gale.settings.first_file import new_fernet_key


def test_what_a_box_encrypts_it_can_open_again() -> None:
    box = FernetBox(new_fernet_key())
    sealed = box.encrypt("pässword")
    assert sealed != "pässword"
    assert box.decrypt(sealed) == "pässword"


def test_a_new_key_in_front_opens_old_values_and_seals_with_itself() -> None:
    old, new = new_fernet_key(), new_fernet_key()
    sealed = FernetBox(old).encrypt("x")
    rotated = FernetBox(f"{new},{old}").rotate(sealed)
    assert FernetBox(new).decrypt(rotated) == "x"


def test_a_value_of_another_key_is_refused_with_its_name() -> None:
    sealed = FernetBox(new_fernet_key()).encrypt("x")
    with pytest.raises(ConfigError, match="Variable 'a' was encrypted with another key"):
        FernetBox(new_fernet_key()).decrypt(sealed, what="Variable 'a'")


def test_an_encrypted_value_without_any_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="fernet_key is empty"):
        FernetBox().decrypt("x")


def test_a_box_without_a_key_stores_in_clear() -> None:
    assert FernetBox().encrypt("x") == "x"
    assert not FernetBox().is_on


@pytest.mark.parametrize("key", ["short", "ß" * 44, "A" * 43])
def test_text_that_is_no_key_is_refused_with_what_a_key_is(key: str) -> None:
    with pytest.raises(ConfigError, match="no Fernet key"):
        FernetBox(key)


def test_our_own_keys_are_keys_of_the_library() -> None:
    Fernet(new_fernet_key())


@pytest.mark.parametrize("name", ["PASSWORD", "my_secret", "api-key", "AUTHORIZATION", "x_token"])
def test_names_of_secrets_are_recognised_whatever_their_case(name: str) -> None:
    assert is_sensitive_name(name)


@pytest.mark.parametrize("name", ["host", "author", "keyboard", "path"])
def test_names_of_ordinary_things_are_no_secrets(name: str) -> None:
    assert not is_sensitive_name(name)


def test_extra_words_make_a_name_secret() -> None:
    assert is_sensitive_name("my_pin", ["pin"])
