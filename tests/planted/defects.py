"""What could go wrong with the walls, how it is planted, and which tests are there to notice."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, models

from billing import gateway
from billing.services import checkout, subscriptions
from catalog.services import retention
from dataxpipe import errors, outbound, rendering
from dataxpipe.postgres import base, pool, schema
from dataxpipe.postgres.embedded import ensure_server
from dataxpipe.postgres.walls import tenant_condition
from dataxpipe.problems import Forbidden, NotFound
from orgs import issuers, legacy_keys, middleware, permissions, plans, tenancy, viewsets
from orgs.api import platform, token_leaks
from orgs.models import ApiKey, Membership, Organization, SupportEntry
from orgs.oidc import OidcBackend
from orgs.services import trusted_publishers

SCOPE = "tests/dataxpipe/test_tenant_scope.py::"
MANAGER = "tests/dataxpipe/test_tenant_manager.py::"
MODELS = "tests/test_isolation_of_models.py::"
FAILURES = "tests/dataxpipe/test_database_failures.py::"
FILLED = "tests/dataxpipe/test_migrations_on_filled_tables.py::"
PERMISSIONS = "tests/test_permissions.py::"
ISOLATION = "tests/test_isolation.py::"
LIMITS = "tests/catalog/test_plan_limits.py::"
SIGNATURES = "tests/billing/test_webhook_signature.py::"
STRIPE = "tests/billing/test_apply_event.py::"
RETENTION = "tests/catalog/test_retention.py::"
LIVES = "tests/orgs/test_life_of_keys.py::"
EXCHANGE = "tests/orgs/test_exchange_token.py::"
OIDC = "tests/orgs/test_oidc.py::"
GATE = "tests/dataxpipe/test_gate.py::test_every_wall_stands"
READY = "tests/dataxpipe/test_health.py::test_it_is_ready_when_every_wall_stands"


@dataclass(frozen=True)
class Defect:
    plant: Callable[[Any], None]
    noticed_by: tuple[str, ...]
    needs_own_cluster: bool = False


DEFECTS: dict[str, Defect] = {}


def defect(*noticed_by: str, needs_own_cluster: bool = False) -> Callable[[Any], Any]:
    def register(plant: Callable[[Any], None]) -> Callable[[Any], None]:
        DEFECTS[plant.__name__] = Defect(plant, noticed_by, needs_own_cluster)
        return plant

    return register


def as_owner(*statements: str) -> None:
    with connection.as_owner(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


# The second wall


@defect(GATE, READY, MODELS + "test_its_own_organization_reaches_the_row[PipelineTag]")
def policy_dropped(patch: Any) -> None:
    as_owner("DROP POLICY organization ON catalog_pipelinetag")


@defect(
    GATE,
    MODELS + "test_another_organization_does_not_read_it[PipelineTag]",
    MODELS + "test_another_organization_adds_no_row_to_it[PipelineTag]",
    MODELS + "test_without_a_scope_the_manager_raises_and_sql_sees_nothing[PipelineTag]",
)
def row_security_disabled(patch: Any) -> None:
    as_owner("ALTER TABLE catalog_pipelinetag DISABLE ROW LEVEL SECURITY")


@defect(GATE, READY)
def force_lifted(patch: Any) -> None:
    as_owner("ALTER TABLE catalog_pipelinetag NO FORCE ROW LEVEL SECURITY")


@defect(
    GATE,
    MODELS + "test_another_organization_does_not_read_it[Run]",
    MODELS + "test_another_organization_does_not_delete_it[Run]",
)
def policy_with_or_true(patch: Any) -> None:
    as_owner(f"ALTER POLICY organization ON catalog_run USING ({tenant_condition()} OR true)")


@defect(GATE, MODELS + "test_another_organization_adds_no_row_to_it[Run]")
def policy_without_check(patch: Any) -> None:
    as_owner("ALTER POLICY organization ON catalog_run WITH CHECK (true)")


@defect(GATE, MANAGER + "test_control_tables_are_looked_up_outside_and_closed_inside_a_scope")
def control_policy_opened(patch: Any) -> None:
    as_owner("ALTER POLICY organization ON orgs_organization USING (true)")


@defect(
    GATE,
    READY,
    "tests/dataxpipe/test_test_database.py::test_tests_run_as_the_application_role_in_the_test_database",
    MODELS + "test_another_organization_does_not_read_it[Dataset]",
    needs_own_cluster=True,
)
def role_with_bypassrls(patch: Any) -> None:
    import psycopg

    admin = ensure_server(settings.DATA_DIR, durable=False).admin_parameters()
    with psycopg.connect(**admin, autocommit=True) as server:
        server.execute("ALTER ROLE dataxpipe_app BYPASSRLS")


@defect(GATE, "tests/dataxpipe/test_test_database.py::test_the_application_role_has_rows_and_no_structure")
def truncate_granted(patch: Any) -> None:
    as_owner(f"GRANT TRUNCATE ON catalog_pipeline TO {settings.DATABASES['default']['USER']}")


@defect("tests/dataxpipe/test_strong_role.py::test_the_owner_of_the_tables_is_refused")
def role_not_looked_at(patch: Any) -> None:
    patch.setattr(base.DatabaseWrapper, "_refuse_role_that_bypasses", lambda self, connection: None)


# The third wall


@defect(GATE, MODELS + "test_no_foreign_key_reaches_another_organization[PipelineTag]")
def foreign_key_reduced(patch: Any) -> None:
    with connection.as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'catalog_pipelinetag'::regclass"
            " AND contype = 'f' AND cardinality(conkey) = 2"
        )
        [(name,)] = cursor.fetchall()
    as_owner(
        f"ALTER TABLE catalog_pipelinetag DROP CONSTRAINT {name}",
        "CREATE UNIQUE INDEX pipeline_of_all ON catalog_pipeline (id)",
        "ALTER TABLE catalog_pipelinetag ADD FOREIGN KEY (pipeline_id) REFERENCES catalog_pipeline (id)"
        " DEFERRABLE INITIALLY DEFERRED",
    )


@defect(
    GATE,
    ISOLATION + "test_a_foreign_id_is_answered_like_an_unknown_one[POST /api/v1/connections/-body.id]",
)
def unscoped_unique(patch: Any) -> None:
    as_owner("CREATE UNIQUE INDEX connection_of_all ON catalog_connection (slug)")


@defect(
    "tests/dataxpipe/test_schema_editor.py::test_a_new_table_stands_behind_all_walls",
    "tests/dataxpipe/test_schema_editor.py::test_a_foreign_key_does_not_lead_to_another_organization",
)
def keys_of_one_column_in_new_tables(patch: Any) -> None:
    patch.setattr(schema.DatabaseSchemaEditor, "_create_fk_sql", lambda *args: None)


@defect(
    FILLED + "test_adding_a_key_over_a_filled_column_finds_the_orphan_of_every_organization",
    FILLED + "test_a_default_for_nulls_reaches_every_row",
)
def rows_hidden_from_migrations(patch: Any) -> None:
    import contextlib

    patch.setattr(schema.DatabaseSchemaEditor, "_all_rows_visible", lambda self, *models: contextlib.nullcontext())
    patch.setattr(schema.DatabaseSchemaEditor, "_validated_over_all_rows", lambda self, statement, *args: statement)


# The first wall


@defect(
    MANAGER + "test_every_query_names_the_organization",
    MANAGER + "test_outside_of_a_scope_it_raises",
    MANAGER + "test_a_queryset_of_one_scope_is_not_evaluated_in_another_or_in_none[list]",
)
def manager_without_filter(patch: Any) -> None:
    patch.setattr(tenancy.TenantManager, "get_queryset", lambda self: models.QuerySet(self.model, using=self._db))


@defect(MANAGER + "test_a_queryset_of_one_scope_is_not_evaluated_in_another_or_in_none[count]")
def queryset_not_bound_to_its_scope(patch: Any) -> None:
    patch.setattr(tenancy.TenantQuerySet, "db", models.QuerySet.db)


@defect(
    MANAGER + "test_a_row_gets_the_bound_organization_however_it_is_inserted",
    MODELS + "test_another_organization_does_not_change_it[Run]",
)
def rows_saved_unclaimed(patch: Any) -> None:
    patch.setattr(tenancy, "_claim", lambda row: None)


# The binding


@defect(SCOPE + "test_it_binds_the_organization_for_the_manager_and_for_postgresql")
def scope_without_setting(patch: Any) -> None:
    patch.setattr(tenancy, "_BIND", "SELECT %s, %s, %s")


@defect(
    "tests/dataxpipe/test_pool.py::test_after_a_scope_the_setting_is_empty",
    SCOPE + "test_after_the_commit_nothing_is_bound_and_a_callback_enters_a_scope_of_its_own",
)
def session_level_set(patch: Any) -> None:
    patch.setattr(tenancy, "_BIND", tenancy._BIND.replace("true", "false"))


@defect("tests/dataxpipe/test_pool.py::test_a_connection_with_a_session_level_binding_is_thrown_away")
def pool_that_takes_everything_back(patch: Any) -> None:
    connection.close()
    connection.close_pool()
    patch.setitem(connection.settings_dict["OPTIONS"]["pool"], "reset", None)
    patch.setattr(pool, "discard_when_bound", lambda raw: None)


@defect(SCOPE + "test_an_exception_undoes_what_was_written_and_the_binding")
def scope_left_open_after_an_exception(patch: Any) -> None:
    class Sticky:
        def __init__(self, variable: Any) -> None:
            self.get, self.set, self._reset = variable.get, variable.set, variable.reset

        def reset(self, token: Any) -> None:
            if sys.exc_info()[0] is not ZeroDivisionError:
                self._reset(token)

    patch.setattr(tenancy, "_binding", Sticky(tenancy._binding))


@defect(SCOPE + "test_inside_an_outer_transaction_it_restores_what_was_set_before")
def settings_not_restored(patch: Any) -> None:
    patch.setattr(tenancy, "_current_settings", lambda cursor: ["1", "1s", "1s"])


@defect(SCOPE + "test_a_swallowed_failure_is_no_success", FAILURES + "test_the_api_answers[swallow_a_failure]")
def swallowed_failures_committed(patch: Any) -> None:
    patch.setattr(tenancy, "_refuse_swallowed_failure", lambda *args: None)


@defect(SCOPE + "test_it_limits_statements_and_locks")
def no_time_outs(patch: Any) -> None:
    patch.setattr(tenancy, "_BIND", f"SELECT set_config('{tenancy.SETTING}', %s, true), %s, %s")


# The edge


@defect(
    FAILURES + "test_the_api_answers[write_and_refuse]",
    FAILURES + "test_a_page_of_an_organization_answers[write_and_refuse]",
    FAILURES + "test_an_answer_from_400_on_has_written_nothing",
)
def rollback_forgotten(patch: Any) -> None:
    for module in (viewsets, middleware):
        patch.setattr(module, "roll_back", lambda: None)


@defect(ISOLATION + "test_the_call_in_the_table_works[GET /api/v1/pipelines/]")
def viewset_without_scope(patch: Any) -> None:
    import contextlib

    patch.setattr(viewsets, "tenant_scope", lambda organization: contextlib.nullcontext())


@defect(FAILURES + "test_a_page_of_an_organization_answers[forget_nothing]")
def page_without_scope(patch: Any) -> None:
    import contextlib

    patch.setattr(middleware, "tenant_scope", lambda organization: contextlib.nullcontext())


@defect(
    FAILURES + "test_the_api_answers[sleep_too_long]",
    FAILURES + "test_a_refused_row_looks_like_an_unknown_one_and_is_logged",
)
def database_errors_unnamed(patch: Any) -> None:
    for module in (rendering, viewsets, errors):
        patch.setattr(module, "problem_of_database", lambda exception: None)


@defect(PERMISSIONS + "test_a_key_may_what_its_scope_says[POST /api/v1/connections/]")
def every_key_may_everything(patch: Any) -> None:
    patch.setattr(permissions.HasScope, "has_permission", lambda self, request, view: True)


@defect(
    PERMISSIONS + "test_a_stranger_finds_nothing_and_nobody_is_sent_to_the_login[GET /o/{slug}/start/]",
    ISOLATION + "test_a_foreign_id_is_answered_like_an_unknown_one[GET /o/{slug}/start/-path.slug]",
)
def membership_not_asked(patch: Any) -> None:
    def of_everybody(request: Any) -> list[Membership]:
        organizations = Organization.objects.all()
        return [Membership(organization=found, user=request.user, role="owner") for found in organizations]

    patch.setattr(middleware, "memberships", of_everybody)


@defect(
    PERMISSIONS + "test_a_stranger_finds_nothing_and_nobody_is_sent_to_the_login[GET /o/{slug}/start/]",
    ISOLATION + "test_a_foreign_id_is_answered_like_an_unknown_one[GET /o/{slug}/start/-path.slug]",
)
def strangers_told_that_the_organization_exists(patch: Any) -> None:
    inside = middleware.OrganizationMiddleware._inside_organization

    def tell(self: Any, request: Any, view: Any, args: Any, kwargs: Any) -> Any:
        slug = kwargs["slug"]
        try:
            return inside(self, request, view, args, kwargs)
        except NotFound:
            if Organization.objects.filter(slug=slug).exists():
                raise Forbidden from None
            raise

    patch.setattr(middleware.OrganizationMiddleware, "_inside_organization", tell)


# The plan's limits


@defect(LIMITS + "test_fifty_at_once_leave_exactly_three", LIMITS + "test_connections_at_once_keep_to_the_limit")
def room_counted_without_the_lock(patch: Any) -> None:
    patch.setattr(Organization.objects, "select_for_update", lambda **kwargs: Organization.objects.all())
    count = plans.used

    def count_and_dawdle(resource: str) -> int:
        counted = count(resource)
        time.sleep(0.05)  # whoever else counts meanwhile finds the same room
        return counted

    patch.setattr(plans, "used", count_and_dawdle)


@defect(RETENTION + "test_runs_beyond_the_history_are_hidden_everywhere")
def old_runs_not_hidden(patch: Any) -> None:
    patch.setattr(plans, "history_begins", lambda resource: datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))


@defect(RETENTION + "test_after_a_downgrade_what_is_hidden_is_not_deleted_yet")
def hidden_runs_deleted_at_once(patch: Any) -> None:
    patch.setattr(
        retention,
        "review_history",
        lambda: {
            resource: plans.history_days(tenancy.current_organization(), resource) for resource in plans.HISTORIES
        },
    )


# Stripe's word


@defect(
    SIGNATURES + "test_a_forged_or_old_signature_is_refused_and_nothing_is_stored[another secret]",
    SIGNATURES + "test_a_forged_or_old_signature_is_refused_and_nothing_is_stored[a day old]",
)
def webhooks_believed_unsigned(patch: Any) -> None:
    patch.setattr(gateway, "verify_webhook", lambda body, signature: None)


@defect(STRIPE + "test_a_reading_that_was_asked_for_earlier_does_not_overwrite_a_later_one")
def older_reading_overwrites_the_newer(patch: Any) -> None:
    read = subscriptions._read

    def without_its_moment(organization: Organization) -> Any:
        reading = read(organization)
        reading.asked_at = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
        return reading

    patch.setattr(subscriptions, "_read", without_its_moment)


@defect(STRIPE + "test_a_failed_payment_leaves_the_plan_for_14_days_and_tells_the_owners_once")
def grace_begins_anew_with_every_event(patch: Any) -> None:
    store = subscriptions._store_one

    def forgetful(organization: Any, rows: dict[str, Any], read: Any, *rest: Any) -> Any:
        if read.stripe_id in rows:
            rows[read.stripe_id].past_due_since = None
        return store(organization, rows, read, *rest)

    patch.setattr(subscriptions, "_store_one", forgetful)


@defect("tests/billing/test_checkout.py::test_a_return_url_that_leads_away_is_refused[success_url-0]")
def return_urls_lead_anywhere(patch: Any) -> None:
    patch.setattr(checkout, "_own_address", lambda text, name: text)


# Operators


@defect(
    "tests/orgs/test_suspend_organization.py::test_every_write_to_the_api_is_refused_with_the_reason"
    "[POST /api/v1/runs/0]",
    "tests/orgs/test_moving_organization.py::test_every_form_waits[POST /o/{slug}/settings/]",
)
def status_of_an_organization_not_asked(patch: Any) -> None:
    for asking in (viewsets, middleware):
        patch.setattr(asking, "require_standing", lambda *args, **kwargs: None)


@defect(
    PERMISSIONS + "test_staff_are_strangers_until_they_enter[GET /o/{slug}/settings/]",
    "tests/orgs/test_enter_organization.py::test_it_opens_one_organization_for_one_person",
)
def staff_inside_without_entering(patch: Any) -> None:
    def always_entered(user: Any, slug: str) -> SupportEntry | None:
        organization = Organization.objects.filter(slug=slug).first()
        return SupportEntry(organization=organization, user=user) if organization else None

    patch.setattr(middleware, "current_entry", always_entered)


@defect(
    "tests/orgs/test_operate_organizations.py::test_a_parent_makes_and_sees_its_parts_and_no_others",
    ISOLATION + "test_a_foreign_id_is_answered_like_an_unknown_one[GET /api/v1/organizations/{slug}-path.slug1]",
)
def parents_see_every_organization(patch: Any) -> None:
    patch.setattr(platform.OperatedOrganizationViewSet, "_visible", lambda view: Organization.objects.all())


@defect(
    "tests/orgs/test_delete_organization.py::test_the_database_purges_nothing_that_is_in_use_or_can_be_undone[active]"
)
def anything_can_be_purged(patch: Any) -> None:
    as_owner(
        "CREATE OR REPLACE FUNCTION dataxpipe_is_being_purged(organization bigint) RETURNS boolean LANGUAGE sql STABLE"
        " AS $$ SELECT true $$"
    )


# Credentials


@defect(LIVES + "test_no_use_succeeds_that_begins_after_the_key_was_revoked")
def revoked_keys_go_on(patch: Any) -> None:
    patch.setattr(ApiKey, "is_usable", property(lambda self: True))


@defect("tests/orgs/test_legacy_keys.py::test_without_the_variable_they_are_no_keys")
def legacy_keys_work_in_production(patch: Any) -> None:
    patch.setattr(legacy_keys, "_count_here", lambda address: True)


@defect(EXCHANGE + "test_a_token_is_exchanged_once", EXCHANGE + "test_the_same_id_in_another_token_is_the_same_token")
def exchanged_tokens_are_forgotten(patch: Any) -> None:
    patch.setattr(trusted_publishers, "_use_up", lambda token: None)


@defect(
    EXCHANGE + "test_a_token_that_says_the_wrong_thing_is_refused[another branch]",
    EXCHANGE + "test_a_token_that_says_the_wrong_thing_is_refused[a pull request]",
)
def subject_patterns_are_prefixes(patch: Any) -> None:
    patch.setattr(trusted_publishers, "matches", lambda pattern, subject: subject.startswith(pattern.partition("*")[0]))


@defect(EXCHANGE + "test_private_addresses_are_not_asked")
def private_addresses_are_asked(patch: Any) -> None:
    patch.setattr(outbound, "_is_public", lambda address: True)


@defect("tests/orgs/test_leak_reports.py::test_a_forged_report_is_refused_and_learns_nothing[no signature]")
def leak_reports_are_believed_unsigned(patch: Any) -> None:
    patch.setattr(token_leaks, "require_signature", lambda body, **signed: None)


@defect(
    OIDC + "test_a_token_that_is_wrong_lets_nobody_in[another client]",
    OIDC + "test_a_token_that_is_wrong_lets_nobody_in[another nonce]",
)
def identity_tokens_are_read_and_not_checked(patch: Any) -> None:
    patch.setattr(OidcBackend, "verify_token", lambda self, token, **kwargs: issuers.unverified_claims(token))
