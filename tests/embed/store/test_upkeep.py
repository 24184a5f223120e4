"""Compact, gc, diff, audit and signed refs."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from typer.testing import CliRunner

from genesem_embed.cli import app
from genesem_embed.errors import GenesemError, InputError, IntegrityError
from genesem_embed.store import Store
from genesem_embed.store.sharing.choice import Filters
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.push import push
from genesem_embed.store.sharing.source import FolderSource
from genesem_embed.store.trust.audit import audit
from genesem_embed.store.trust.orphans import unreached
from genesem_embed.store.trust.signatures import trusted_key
from genesem_embed.store.upkeep.compact import compact
from genesem_embed.store.upkeep.diff import diff
from genesem_embed.store.upkeep.gc import collect_garbage


@pytest.fixture
def scattered(store, maker):
    """Twelve small segments, some of them over the same texts, and one collection over all."""
    for start in range(0, 60, 5):
        maker.publish(store, maker.texts(*range(start, start + 8)), seed=start % 2)
    maker.collect(store, maker.texts(*range(60)))
    return store


def test_compacting_keeps_every_vector_and_gc_then_removes_the_old(scattered, maker):
    before = scattered.matrix("demo.spot-symbols")
    done = compact(scattered)
    assert (done.n_before, done.n_after, done.n_rows) == (12, 1, 63)
    assert len(scattered.segment_digests()) == 13
    np.testing.assert_array_equal(scattered.matrix("demo.spot-symbols"), before)
    assert compact(scattered).n_before == 0
    garbage = collect_garbage(scattered, dry_run=False, older_than_s=0)
    assert len(garbage.segments) == 12
    assert scattered.segment_digests() == list(done.segments)
    np.testing.assert_array_equal(scattered.matrix("demo.spot-symbols"), before)
    assert scattered.verify().ok
    (segment,) = [scattered.segment(digest) for digest in scattered.segment_digests()]
    assert len(segment.provenance()["compacted_from"]) == 12


def test_compacting_respects_the_size_and_the_space(scattered, maker):
    wide = maker.in_space(dim=16)
    for number in range(3):
        wide.publish(scattered, wide.texts(number))
    done = compact(scattered, target_rows=20)
    sizes = {digest: scattered.segment(digest).manifest for digest in done.segments}
    assert all(facts.rows <= 20 for facts in sizes.values())
    assert {facts.dim for facts in sizes.values()} == {8, 16}


def test_a_reader_is_not_disturbed_by_compaction_and_gc(scattered, maker):
    with Store.open(scattered.root) as reader:
        before = reader.matrix("demo.spot-symbols")
        compact(scattered)
        collect_garbage(scattered, dry_run=False, older_than_s=0)
        np.testing.assert_array_equal(reader.matrix("demo.spot-symbols"), before)


def test_gc_is_dry_and_patient_unless_told_otherwise(filled, maker):
    loose = maker.publish(filled, maker.texts(800))
    assert unreached(filled) == [loose]
    assert collect_garbage(filled).segments == ()
    garbage = collect_garbage(filled, older_than_s=0)
    assert garbage.segments == (loose,)
    assert garbage.dry_run
    assert loose in filled.segment_digests()
    assert collect_garbage(filled, dry_run=False, older_than_s=0).n_bytes > 0
    assert loose not in filled.segment_digests()


def test_what_a_ref_lists_is_kept(filled, maker):
    loose = maker.publish(filled, maker.texts(800))
    publish(filled, "all")
    assert collect_garbage(filled, dry_run=False, older_than_s=0).segments == ()
    assert loose in filled.segment_digests()


def test_leftovers_of_crashes_are_swept_when_old(filled):
    young, old, pulled = (filled.root / "tmp" / name for name in ("young", "old", "pull/" + "a" * 64))
    for folder in (young, old, pulled):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"x" * 10)
    orphan = filled.root / "collections" / "demo.spot-symbols" / f"{'b' * 64}.parquet"
    orphan.write_bytes(b"x")
    yesterday = time.time() - 90_000
    for path in (old, old / "half", pulled, pulled / "half", orphan):
        os.utime(path, (yesterday, yesterday))
    garbage = collect_garbage(filled, dry_run=False)
    assert len(garbage.leftovers) == 3
    assert young.exists()
    assert not old.exists()
    assert not pulled.exists()
    assert not orphan.exists()


def test_diff_tells_what_only_one_has(filled, tmp_path, maker):
    with Store.create(tmp_path / "b") as second:
        pull(second, FolderSource(filled.root))
        assert diff(filled, second)["same_vectors"]
        extra = maker.publish(second, maker.texts(900, 0))
        found = diff(filled, second)
        assert not found["same_vectors"]
        assert found["vectors"][maker.space.id] == {"only_first": 0, "only_second": 1, "both": 71}
        assert found["segments"] == {"only_first": [], "only_second": [extra]}
        assert found["collections"] == {"only_first": [], "only_second": []}


def test_an_audit_finds_vectors_of_another_model(filled, maker):
    honest, *_ = audit(filled, lambda space, texts: maker.vectors(texts), sample=10)
    assert honest.ok
    assert honest.n_sampled == 10
    assert honest.lowest_cosine > 0.9999
    liar, *_ = audit(filled, lambda space, texts: maker.vectors(texts, seed=9), sample=1000)
    assert (liar.n_sampled, liar.n_suspicious) == (81, 81)
    assert not liar.ok
    skipped, *_ = audit(filled, lambda space, texts: None)
    assert skipped.ok
    assert skipped.lowest_cosine is None


def test_an_audit_of_an_empty_space(store, maker):
    digest = maker.publish(store, maker.texts(1))
    collect_garbage(store, dry_run=False, older_than_s=0)
    assert digest not in store.segment_digests()
    (found,) = audit(store, lambda space, texts: maker.vectors(texts))
    assert found.n_sampled == 0


class TestSignatures:
    @pytest.fixture
    def keys(self, tmp_path):
        """Private and public key files in both forms, and the public key in hexadecimal."""
        key = Ed25519PrivateKey.generate()
        public = key.public_key()
        files = {
            "private.pem": key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()),
            "private.ssh": key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption()),
            "public.pem": public.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo),
            "public.ssh": public.public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH),
        }
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        return tmp_path, public.public_bytes_raw().hex()

    @pytest.mark.parametrize("form", ["pem", "ssh"])
    def test_a_signed_ref_is_pulled_by_who_trusts_its_key(self, filled, tmp_path, keys, form):
        folder, public = keys
        publish(filled, "signed", sign=folder / f"private.{form}")
        with Store.create(tmp_path / "o") as other:
            for key in (str(folder / "public.pem"), str(folder / "public.ssh"), public, public.upper()):
                pull(other, FolderSource(filled.root), Filters(ref="signed", trust=trusted_key(key)))
            assert len(other.segment_digests()) == 3
            assert other.verify().ok

    def test_a_signed_ref_under_another_name_is_refused(self, filled, tmp_path, keys):
        folder, public = keys
        publish(filled, "v1", sign=folder / "private.pem")
        refs = filled.root / "refs"
        (refs / "v2.json").write_bytes((refs / "v1.json").read_bytes())
        with Store.open(tmp_path / "other", mode="a") as other, pytest.raises(GenesemError, match="v2"):
            pull(other, FolderSource(filled.root), Filters(ref="v2", trust=public))

    def test_an_unsigned_foreign_or_forged_ref_is_refused(self, filled, tmp_path, keys):
        folder, public = keys
        stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
        publish(filled, "plain")
        publish(filled, "signed", sign=folder / "private.pem")
        path = filled.root / "refs" / "signed.json"
        with Store.create(tmp_path / "o") as other:
            for ref, trust, words in [
                ("plain", public, "is not signed"),
                ("signed", stranger, "is signed by"),
            ]:
                with pytest.raises(IntegrityError, match=words):
                    pull(other, FolderSource(filled.root), Filters(ref=ref, trust=trust))
            from genesem_embed.store.files.canonical import canonical_json, parse_json, sha256_hex

            value = parse_json(path.read_bytes(), "it")
            value["content"]["segments"] = value["content"]["segments"][:1]
            value["sha256"] = sha256_hex(canonical_json(value["content"]))
            path.write_bytes(canonical_json(value))
            with pytest.raises(IntegrityError, match="does not fit its content"):
                pull(other, FolderSource(filled.root), Filters(ref="signed", trust=public))
            assert other.segment_digests() == []

    def test_keys_that_are_none(self, filled, tmp_path):
        rsa = generate_private_key(65537, 2048)
        (tmp_path / "rsa.pem").write_bytes(
            rsa.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
        )
        (tmp_path / "junk.pem").write_text("junk")
        for name in ("rsa.pem", "junk.pem"):
            with pytest.raises(InputError, match="no Ed25519 private key; make one with: ssh-keygen"):
                publish(filled, "x", sign=tmp_path / name)
        with pytest.raises(InputError, match="cannot be read"):
            publish(filled, "x", sign=tmp_path / "none.pem")
        with pytest.raises(InputError, match="no Ed25519 public key"):
            trusted_key(str(tmp_path / "junk.pem"))


def test_pushing_a_filtered_part(filled, tmp_path, maker):
    maker.collect(filled, maker.texts(100), name="one")
    assert push(filled, tmp_path / "p", Filters(collection="one")).n_segments == 1


def test_sharing_needs_no_torch(filled):
    code = (
        "import sys, genesem_embed.store as s\n"
        "from genesem_embed.store.sharing import archive, mirror, publish, pull, push\n"
        "from genesem_embed.store.trust import audit, verify\n"
        "from genesem_embed.store.upkeep import compact, diff, gc\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "scanpy", "obstore", "cryptography", "duckdb"} & set(loaded)


@pytest.mark.parametrize("command", [["gc"], ["compact"], ["publish"]], ids=lambda command: command[0])
def test_a_mistyped_path_is_no_new_store(command, tmp_path):
    done = CliRunner().invoke(app, [*command, "--store", str(tmp_path / "never")])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_an_audit_of_nothing_is_no_success(filled):
    done = CliRunner().invoke(app, ["audit", "--store", str(filled.root), "--model", "/no/such/model"])
    assert done.exit_code == 1
    assert "not audited: " in done.stdout
    done = CliRunner().invoke(app, ["audit", "--store", str(filled.root), "--device", "tpu"])
    assert (done.exit_code, done.stderr) == (1, "error: unknown device 'tpu'; expected auto, cpu or cuda\n")
