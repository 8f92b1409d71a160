import base64

import pytest
from django.core.exceptions import ImproperlyConfigured

from dataxpipe import keyring
from dataxpipe.settings import master_keys

ONE, TWO = base64.b64encode(b"1" * 32).decode(), base64.b64encode(b"2" * 32).decode()


def test_the_first_listed_key_seals_and_all_of_them_open(settings):
    settings.ENCRYPTION_KEYS = master_keys(f"new:{TWO},old:{ONE}")
    assert keyring.active_key_id() == "new"
    assert keyring.derived_key("old", "x") != keyring.derived_key("new", "x")


def test_every_purpose_has_a_key_of_its_own(settings):
    settings.ENCRYPTION_KEYS = master_keys(f"k:{ONE}")
    assert keyring.derived_key("k", "audit of 1") != keyring.derived_key("k", "audit of 2")
    assert len(keyring.derived_key("k", "audit of 1")) == 32


def test_a_key_that_is_not_listed_is_named(settings):
    settings.ENCRYPTION_KEYS = master_keys(f"k:{ONE}")
    with pytest.raises(keyring.UnknownMasterKey, match="gone"):
        keyring.derived_key("gone", "x")


@pytest.mark.parametrize("text", ["", "k", "k:", "k:%%%", f":{ONE}", f"k:{ONE},", "k:c2hvcnQ="])
def test_a_malformed_list_stops_the_start(text):
    with pytest.raises(ImproperlyConfigured, match="DATAXPIPE_ENCRYPTION_KEYS"):
        master_keys(text)
