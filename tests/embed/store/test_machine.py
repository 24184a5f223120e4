"""Any order of building, sharing, compacting, sweeping, crashing and reopening keeps every published vector."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from genesem_embed.store import Store
from genesem_embed.store.files import disk as disk_module
from genesem_embed.store.keys import row_hashes
from genesem_embed.store.sharing.archive import export_archive, import_archive
from genesem_embed.store.sharing.choice import Filters
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import merge, pull
from genesem_embed.store.sharing.source import FolderSource
from genesem_embed.store.upkeep.compact import compact
from genesem_embed.store.upkeep.gc import collect_garbage

NUMBERS = st.lists(st.integers(0, 25), min_size=1, max_size=6)
PLACES = st.sampled_from(["a", "b"])


class PowerCutError(Exception):
    """Stands for the moment at which nothing runs any more."""


class Machine(RuleBasedStateMachine):
    """Two stores and, for each, a dict of text to the vector that must be read, and what collections hold down."""

    maker = None

    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp())
        self.stores = {name: Store.create(self.root / name) for name in "ab"}
        self.model = {name: {} for name in "ab"}
        self.kept = {name: set() for name in "ab"}
        self.archive = None

    def teardown(self):
        for store in getattr(self, "stores", {}).values():
            store.close()
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def learn(self, place, text, mark, row):
        known = self.model[place].get(text)
        if known is None or mark < known[0]:
            self.model[place][text] = (mark, row)

    def publish_rows(self, place, texts, seed):
        self.maker.publish(self.stores[place], texts, seed)
        rows = self.maker.stored(texts, seed)
        for text, row, mark in zip(texts, rows, row_hashes(rows), strict=True):
            self.learn(place, text, mark.tobytes(), row)

    @rule(place=PLACES, numbers=NUMBERS, seed=st.integers(0, 1))
    def build(self, place, numbers, seed):
        texts = list(dict.fromkeys(self.maker.texts(*numbers)))
        self.publish_rows(place, texts, seed)
        self.maker.collect(self.stores[place], texts, name=f"c{min(numbers)}")
        self.kept[place] |= set(texts)

    @rule(place=PLACES, numbers=NUMBERS)
    def build_half(self, place, numbers):
        self.publish_rows(place, self.maker.texts(*numbers), 0)

    @rule(place=PLACES)
    def merge_the_other(self, place):
        other = "b" if place == "a" else "a"
        merge(self.stores[place], [self.stores[other].root])
        for text, (mark, row) in self.model[other].items():
            self.learn(place, text, mark, row)
        self.kept[place] |= self.kept[other]

    @rule(place=PLACES)
    def export(self, place):
        self.archive = self.root / "x.tar"
        export_archive(self.stores[place], self.archive)
        self.exported = (dict(self.model[place]), set(self.kept[place]))

    @precondition(lambda self: self.archive is not None)
    @rule(place=PLACES)
    def import_it(self, place):
        import_archive(self.stores[place], self.archive)
        for text, (mark, row) in self.exported[0].items():
            self.learn(place, text, mark, row)
        self.kept[place] |= self.exported[1]

    @rule(place=PLACES)
    def publish_and_pull_a_ref(self, place):
        other = "b" if place == "a" else "a"
        publish(self.stores[other], "shared")
        pull(self.stores[place], FolderSource(self.stores[other].root), Filters(ref="shared"))
        for text, (mark, row) in self.model[other].items():
            self.learn(place, text, mark, row)
        for name in (place, other):
            self.kept[name] |= set(self.model[other])

    @rule(place=PLACES, most=st.integers(4, 40))
    def compact(self, place, most):
        compact(self.stores[place], target_rows=most)

    @rule(place=PLACES)
    def sweep(self, place):
        """What no collection or ref reaches may go; whether it went is read from the store."""
        store = self.stores[place]
        collect_garbage(store, dry_run=False, older_than_s=0)
        loose = [text for text in self.model[place] if text not in self.kept[place]]
        for text, gone in zip(loose, store.missing(self.maker.keys(loose)), strict=True):
            if gone:
                del self.model[place][text]
        self.relearn(place, [text for text in loose if text in self.model[place]])

    def relearn(self, place, texts):
        """A loose text may now be read from another of its rows, for the winning one was nobody's."""
        if texts:
            rows = self.stores[place].get(self.maker.keys(texts))
            for text, row, mark in zip(texts, rows, row_hashes(rows), strict=True):
                self.model[place][text] = (mark.tobytes(), row)

    @rule(place=PLACES, numbers=NUMBERS, step=st.integers(0, 30))
    def crash(self, place, numbers, step):
        """Publishing stops dead at the given write or rename, with no chance to tidy up."""
        texts = list(dict.fromkeys(self.maker.texts(*numbers)))
        left = [step]

        def cut(real):
            def call(*arguments, **options):
                if left[0] == 0:
                    raise PowerCutError
                left[0] -= 1
                return real(*arguments, **options)

            return call

        patched = {name: getattr(disk_module, name) for name in ("_write_all", "fsync_path")}
        rename, replace, rmtree = Path.rename, Path.replace, disk_module.shutil.rmtree
        try:
            for name, real in patched.items():
                setattr(disk_module, name, cut(real))
            Path.rename, Path.replace = cut(rename), cut(replace)
            disk_module.shutil.rmtree = lambda *_, **__: None
            self.publish_rows(place, texts, 1)
        except PowerCutError:
            pass
        finally:
            for name, real in patched.items():
                setattr(disk_module, name, real)
            Path.rename, Path.replace, disk_module.shutil.rmtree = rename, replace, rmtree
        self.reopen(place)
        present = [
            t for t, gone in zip(texts, self.stores[place].missing(self.maker.keys(texts)), strict=True) if not gone
        ]
        rows = self.maker.stored(present, 1)
        found = self.stores[place].get(self.maker.keys(present)) if present else rows
        for text, row, mark, read in zip(present, rows, row_hashes(rows), found, strict=True):
            if np.array_equal(row, read):
                self.learn(place, text, mark.tobytes(), row)

    @rule(place=PLACES)
    def reopen(self, place):
        self.stores[place].close()
        self.stores[place] = Store.open(self.root / place, "a")

    @rule(place=PLACES)
    def lose_the_index(self, place):
        self.stores[place].close()
        (self.root / place / "index.duckdb").unlink(missing_ok=True)

    @invariant()
    def every_vector_is_the_expected_one(self):
        for place, store in getattr(self, "stores", {}).items():
            texts = list(self.model[place])
            if texts:
                expected = [row for _, row in self.model[place].values()]
                np.testing.assert_array_equal(store.get(self.maker.keys(texts)), expected)

    @rule(place=PLACES)
    def verify(self, place):
        report = self.stores[place].verify()
        assert report.ok, report.problems


def test_the_machine(maker):
    Machine.maker = maker
    test = Machine.TestCase
    test.settings = settings(
        max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    test().runTest()
