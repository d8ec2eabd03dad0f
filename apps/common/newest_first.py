"""The admin's lists of large tables: newest first, in pages by id, without counts of everything.

Page numbers would read all rows before the page, a count the whole table, and a search with OR over
several columns no index.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from apps.common import keyset
from apps.common.ids import time_of
from apps.common.keyset import Page, Position, Source, read_page

Row = TypeVar("Row", bound=Model)
UUID_WITH_TIME = 7
# What precedes the id in the parameter of the page.
NEWER, OLDER = "from-", "before-"


class NewestFirstList(ChangeList):
    """A page by id. Its links name the row where the next page begins.

    Attributes:
        page: The page.
        counted: The number of rows in words.
        note: What staff should know about the search.
    """

    page: Page
    counted: str
    note: str = ""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        model_admin: Any = self.model_admin
        sources = model_admin.sources(request, self)
        position = self._position(request.GET.get(PAGE_VAR, ""))
        self.page = read_page(sources, position, size=self.list_per_page)
        self.result_list = self.queryset.filter(pk__in=self.page.ids)
        # Only the rows of a page can be selected, because all others are not counted.
        self.result_count = self.full_result_count = len(self.page.ids)
        self.counted = self._counted(sources)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = model_admin.get_paginator(request, self.queryset, self.list_per_page)

    @property
    def newer_link(self) -> str | None:
        """The query of the page with newer rows."""
        return self._link(self.page.newer)

    @property
    def older_link(self) -> str | None:
        """The query of the page with older rows."""
        return self._link(self.page.older)

    @property
    def newest_link(self) -> str:
        """The query of the first page."""
        return self.get_query_string()

    @property
    def searched_to(self) -> str:
        """How far the page has searched: a time, or the id in a table whose ids have none."""
        bound = self.page.searched_to
        if isinstance(bound, UUID) and bound.version == UUID_WITH_TIME:
            return f"{time_of(bound):%Y-%m-%d %H:%M:%S}"
        return str(bound)

    @property
    def further(self) -> str:
        """The direction in which the search goes on after a page that could not be filled."""
        older = self.page.older
        return "older" if older is not None and older.id == self.page.searched_to else "newer"

    def _counted(self, sources: Sequence[Source]) -> str:
        one, several = self.opts.verbose_name, self.opts.verbose_name_plural
        whole = self.page.newer is None and self.page.older is None
        if not whole and len(sources) > 1:
            return f"{several}, not counted"
        count = len(self.page.ids) if whole else sources[0].count()
        if count is None:
            known = f"more than {keyset.ROWS_SEARCHED:,} {several}"
            return known if sources[0].indexed is None else f"{known} to search"
        return f"{count:,} {one if count == 1 else several}"

    def _position(self, given: str) -> Position | None:
        for prefix in (NEWER, OLDER):
            if given.startswith(prefix):
                try:
                    pk = self.opts.pk.to_python(given.removeprefix(prefix))
                except ValidationError:
                    return None
                return Position(id=pk, newer=prefix == NEWER)
        return None

    def _link(self, position: Position | None) -> str | None:
        if position is None:
            return None
        prefix = NEWER if position.newer else OLDER
        return self.get_query_string({PAGE_VAR: f"{prefix}{position.id}"})


class NewestFirstAdmin(admin.ModelAdmin[Row]):
    """A list of a large table."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-pk",)
    change_list_template = "admin/newest_first.html"

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the conditions that a search term may be, each of which has an index."""
        return ()

    def filtered(self, changelist: ChangeList) -> bool:
        """Return whether the list has a filter."""
        return bool(changelist.get_filters_params())

    def leading(self, changelist: ChangeList) -> Sequence[Q]:
        """Return the conditions by whose indexes a filtered list is read; by default all rows."""
        return [Q()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list with pages by id."""
        return NewestFirstList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        """Leave the rows as they are; ``sources`` searches."""
        return queryset, False

    def sources(self, request: HttpRequest, changelist: NewestFirstList) -> Sequence[Source]:
        """Return what the list is read from."""
        term, filtered = changelist.query.strip(), self.filtered(changelist)
        if not term and not filtered:
            return [Source(changelist.queryset)]
        model: Any = self.model
        rows, every = changelist.queryset, model.objects.all()
        found = self.look_ups(changelist, term) if term else self.leading(changelist)
        return [Source(rows.filter(one), every.filter(one) if filtered else None) for one in found]

    def response_action(  # type: ignore[override] # The stubs have a parameter of Django 6.
        self, request: HttpRequest, queryset: QuerySet[Row]
    ) -> Any:
        """Refuse an action on all rows of the list: only those of a page are known."""
        if request.POST.get("select_across") not in {None, "", "0"}:
            self.message_user(request, "Choose rows of the page.", messages.ERROR)
            return None
        return super().response_action(request, queryset)
