"""What a store says about which features tell a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.refs import FeatureRef
from dsl.row_mappings import check_frame
from palette.errors import DataError
from palette.store.arguments import versions
from palette.store.offline import OfflineDoors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.selection import Selection, Step

__all__ = ["SelectionDoors"]


class SelectionDoors(OfflineDoors):
    """Selection of a store's features."""

    def select_features(
        self,
        basis: DataFrame,
        label: str,
        candidates: Sequence[str] | None = None,
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        join: Mapping[str, str | Sequence[str]] | None = None,
        count: int = 20,
        method: str = "mrmr",
        task: str = "auto",
        bins: int = 20,
        constant: float = 0.99,
        missing: float = 0.95,
        identifier: float = 0.95,
        leak: float = 0.95,
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
        progress: Callable[[Step], Any] | None = None,
    ) -> Selection:
        """Rank features by what they tell of a label, as they were known at each row's time.

        Relevance is mutual information with the label, in bins, over all rows. Each next feature is the one that adds
        most to those before it. What leaks, hardly varies, identifies rows, or says the same as a better one is left
        out, and the reason is told. See ``docs/selection.md``.

        Parameters
        ----------
        basis : DataFrame
            The rows, with label and join keys. It is read three times: cache one that is costly to compute.
        label : str
            Column of the basis: a number, a text or a boolean. Rows where it is null or NaN do not count.
        candidates : sequence of str, optional
            Expressions; ``entity:group:*:join_key`` for all features of a group, ``basis:column`` for a column of the
            basis, ``basis:*`` for all of them. By default ``*``: every feature, except deprecated ones, of every
            entity whose join keys are known.
        timestamp : str, optional
            Column of the basis with each row's time; without it the latest values are taken, and a
            :class:`palette.errors.LatestValuesWarning` says so of groups that have event times.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that were written by the time asked for, too.
        join : mapping of str to str, optional
            Entity to the join key that ``*`` uses, where the columns are not called like the entity's keys:
            ``{"restaurant": "r_id", "route": "origin,dest"}``; several in a list.
        count : int
            How many are selected at most.
        method : {"mrmr", "relevance"}
            Whether what a feature shares with those before it counts against it.
        task : {"auto", "classification", "regression"}
            What the label is; by default a number of more than 20 distinct values is a quantity, all else are classes.
        bins : int
            Into how many bins numbers fall; fewer if there are not about five rows for each pair of bins.
        constant, missing : float
            From which share of rows with the same value, or with none, a feature is left out.
        identifier : float
            From how many distinct values a row a text or integer is left out.
        leak : float
            From which share of the label's entropy a feature tells too much to be true.
        version : mapping of str to int, or int, optional
            Group to table version, as in :meth:`training_set`.
        hint : {"travel", "shuffle"}, optional
            Forces a join plan.
        progress : callable, optional
            Is told each step when it begins.

        Returns
        -------
        Selection
            ``features`` in the order of their ranks; ``columns`` of them for :meth:`training_set`; ``ranked`` and
            ``left_out`` tell why; ``report("report.html")`` writes it down.

        Raises
        ------
        FeatureNotFoundError, SchemaError, DefinitionError
            If a name is unknown, a column is missing or has the wrong type, or an argument is none of those above.
        DataError
            If the label is null or the same in all rows, or a group that was named has no rows.
        """
        check_frame(basis, "basis", DataError)
        from palette.catalog.features.candidates import candidates as meant
        from palette.offline.join.latest_values import untimed_groups, warn_latest_values
        from palette.selection import Settings, ask, select

        settings = Settings(count, method, task, bins, constant, missing, identifier, leak)
        wanted = meant(self.catalog, dict(basis.dtypes), candidates, join)
        read = (f"{one.ref.entity}:{one.ref.group}" for one in wanted if isinstance(one.ref, FeatureRef))
        asked = ask(
            self.tables,
            basis,
            label,
            wanted,
            self.lookups,
            timestamp=timestamp,
            point_in_time=point_in_time,
            versions=versions(version, read, lambda name: self.group(name).full_name),
            hint=hint,
        )
        warn_latest_values(untimed_groups(asked.lookups, timestamp), "timestamp= (--timestamp)", stacklevel=2)
        return select(asked, label, settings, progress)
