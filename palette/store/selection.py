"""Feature-selection methods of FeatureStore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.refs import FeatureRef
from dsl.row_mappings import check_frame
from palette.errors import DataError
from palette.store.arguments import versions
from palette.store.training_tables import TrainingTableMethods

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.selection import Selection, Step

__all__ = ["SelectionMethods"]


class SelectionMethods(TrainingTableMethods):
    """Feature-selection methods of FeatureStore (mixin)."""

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
        """Rank features by their information about a label, as they were known at each row's time.

        Relevance is mutual information with the label, in bins, over all rows. Each next feature is the one that adds
        most to those before it. Features that leak, hardly vary, identify rows, or duplicate a better one are left
        out, with the reason. See ``docs/selection.md``.

        Parameters
        ----------
        basis : DataFrame
            The rows, with label and join keys. It is read three times: cache one that is costly to compute.
        label : str
            Column of the basis: a number, a string or a boolean. Rows where it is null or NaN do not count.
        candidates : sequence of str, optional
            Expressions; ``entity:group:*:join_key`` for all features of a group, ``basis:column`` for a column of the
            basis, ``basis:*`` for all of them. By default ``*``: every feature, except deprecated ones, of every
            entity whose join keys are known.
        timestamp : str, optional
            Column of the basis with each row's time; without it the latest values are read, and a
            :class:`palette.errors.LatestValuesWarning` is issued for groups that have event times.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that had also been written by that time.
        join : mapping of str to str, optional
            Entity to the join key that ``*`` uses, where the columns are not named like the entity's keys:
            ``{"restaurant": "r_id", "route": "origin,dest"}``; several in a list.
        count : int
            Maximum number of selected features.
        method : {"mrmr", "relevance"}
            Whether information shared with the features before is subtracted.
        task : {"auto", "classification", "regression"}
            Kind of the label; by default a number with more than 20 distinct values is a quantity, others are classes.
        bins : int
            Number of bins for numbers; fewer if there are not about five rows for each pair of bins.
        constant, missing : float
            Share of rows with the same value, or without value, from which a feature is left out.
        identifier : float
            Number of distinct values per row from which a string or integer is left out.
        leak : float
            Share of the label's entropy from which a feature is left out as a leak.
        version : mapping of str to int, or int, optional
            Group to table version, as in :meth:`training_set`.
        hint : {"broadcast", "partitioned", "shuffle"}, optional
            Forces a join plan.
        progress : callable, optional
            Called with each step when it begins.

        Returns
        -------
        Selection
            ``features`` in the order of their ranks; ``columns`` of them for :meth:`training_set`; ``ranked`` and
            ``left_out`` have the reasons; ``report("report.html")`` writes a report.

        Raises
        ------
        FeatureNotFoundError, SchemaError, ArgumentError
            If a name is unknown, a column is missing or has the wrong type, or an argument has another value than
            those above.
        DataError
            If the label is null or the same in all rows, or a group that was named has no rows.
        """
        check_frame(basis, "basis", DataError)
        from palette.catalog.features.candidates import candidates as find_candidates
        from palette.offline.join.latest_values import untimed_groups, warn_latest_values
        from palette.selection import SelectionSettings, make_request, select

        settings = SelectionSettings(
            count=count,
            method=method,
            task=task,
            bins=bins,
            constant=constant,
            missing=missing,
            identifier=identifier,
            leak=leak,
        )
        resolved = find_candidates(self.catalog, dict(basis.dtypes), candidates, join)
        references = (candidate.ref for candidate in resolved)
        groups = (f"{ref.entity}:{ref.group}" for ref in references if isinstance(ref, FeatureRef))
        request = make_request(
            self.tables,
            basis,
            label,
            resolved,
            self.lookups,
            timestamp=timestamp,
            point_in_time=point_in_time,
            versions=versions(version, groups, lambda name: self.group(name).full_name),
            hint=hint,
        )
        warn_latest_values(untimed_groups(request.lookups, timestamp), "timestamp= (--timestamp)", stacklevel=2)
        return select(request, label, settings, progress)
