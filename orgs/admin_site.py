"""`/admin/`: Django's admin as a window. What staff change, they change through services; nothing is edited raw.

It works outside every scope, so of tenants it shows control tables alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import update_wrapper
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_safe

from dataxpipe.problems import NotFound


class StaffModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list with search and filters, and a page of one row to read."""

    actions = None
    view_on_site = False
    show_full_result_count = False
    list_per_page = 50
    title = ""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """What a filter offers and nothing else: any column, shown or not, could be guessed letter by letter."""
        return lookup.partition("__")[0] in self.list_filter

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a row shows is named, so that a new column is not shown by itself: it may be a secret."""
        if self.fields is None:
            raise TypeError(f"{type(self).__name__} has to name its fields")
        return self.fields

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("", view(require_safe(self.changelist_view)), name=f"{name}_changelist"),
            path("<path:object_id>/change/", view(require_safe(self.change_view)), name=f"{name}_change"),
        ]


class StaffSite(admin.AdminSite):
    site_header = "DataXPipe"
    site_title = "DataXPipe"
    index_title = "Platform"
    site_url = None
    final_catch_all_view = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Other packages register here too, with pages that edit and delete: they are left out."""
        if admin_class is not None and issubclass(admin_class, StaffModelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Our own login for whoever is nobody yet; for everybody else but staff there is nothing here."""
        guarded = super().admin_view(view, cacheable)

        def for_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise NotFound
            response: HttpResponse = guarded(request, *args, **kwargs)
            return response

        return update_wrapper(for_staff, guarded)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Under the names that the product uses."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            for model in app["models"]:
                model["name"] = getattr(self._registry[model["model"]], "title", "") or model["name"]
        return apps

    def get_urls(self) -> list[URLPattern | URLResolver]:
        models_here: Iterable[tuple[type[models.Model], Any]] = self._registry.items()
        labels = "|".join(dict.fromkeys(model._meta.app_label for model, _ in models_here))
        return [
            path("", self.admin_view(require_safe(self.index)), name="index"),
            path("jsi18n/", self.admin_view(require_safe(self.i18n_javascript), cacheable=True), name="jsi18n"),
            *(
                path(f"{model._meta.app_label}/{model._meta.model_name}/", include(model_admin.urls))
                for model, model_admin in self._registry.items()
            ),
            re_path(rf"^(?P<app_label>{labels})/$", self.admin_view(require_safe(self.app_index)), name="app_list"),
        ]
