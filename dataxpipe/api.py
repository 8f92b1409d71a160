"""The API's router: every path works with and without its trailing slash."""

from django.urls import URLPattern, URLResolver, re_path
from rest_framework.routers import SimpleRouter

from billing.api import BillingViewSet
from catalog.api.checks import CheckViewSet, PipelineCheckViewSet
from catalog.api.connections import ConnectionViewSet
from catalog.api.datasets import DatasetViewSet
from catalog.api.discovered import DiscoveredPipelineViewSet
from catalog.api.lineage import LineageViewSet
from catalog.api.openlineage import OpenLineageViewSet
from catalog.api.pipelines import PipelineViewSet
from catalog.api.plans import PlanViewSet
from catalog.api.runs import PipelineRunViewSet, RunViewSet
from catalog.api.schemas import ConnectionSchemaView, PipelineSchemaView
from catalog.api.versions import StepViewSet, VersionViewSet
from orgs.api.api_keys import ApiKeyViewSet
from orgs.api.audit_events import AuditEventViewSet
from orgs.api.invitations import InvitationViewSet
from orgs.api.members import MemberViewSet
from orgs.api.organizations import OrganizationViewSet
from orgs.api.platform import OperatedOrganizationViewSet
from orgs.api.token_leaks import TokenLeakView
from orgs.api.trusted_publishers import TokenView, TrustedPublisherViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("api-keys", ApiKeyViewSet, basename="api_key")
router.register("audit-events", AuditEventViewSet, basename="audit_event")
router.register("billing", BillingViewSet, basename="billing")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("members", MemberViewSet, basename="member")
router.register("organizations", OrganizationViewSet, basename="organization")
router.register("organizations", OperatedOrganizationViewSet, basename="operated_organization")
router.register("pipelines/discovered", DiscoveredPipelineViewSet, basename="discovered_pipeline")
router.register("trusted-publishers", TrustedPublisherViewSet, basename="trusted_publisher")
router.register("pipelines", PipelineViewSet, basename="pipeline")
router.register("pipelines/(?P<pipeline>[^/]+)/versions", VersionViewSet, basename="version")
router.register("pipelines/(?P<pipeline>[^/]+)/steps", StepViewSet, basename="step")
router.register("plan", PlanViewSet, basename="plan")
router.register("datasets", DatasetViewSet, basename="dataset")
router.register("connections", ConnectionViewSet, basename="connection")
router.register("pipelines/(?P<pipeline>[^/]+)/runs", PipelineRunViewSet, basename="pipeline-run")
router.register("pipelines/(?P<pipeline>[^/]+)/checks", PipelineCheckViewSet, basename="pipeline-check")
router.register("runs", RunViewSet, basename="run")
router.register("checks", CheckViewSet, basename="check")
router.register("lineage", LineageViewSet, basename="lineage")
router.register("lineage", OpenLineageViewSet, basename="openlineage")

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    re_path(r"^tokens/?$", TokenView.as_view(), name="tokens"),
    re_path(r"^security/token-leaks/?$", TokenLeakView.as_view(), name="token_leaks"),
    re_path(r"^schemas/pipeline\.json/?$", PipelineSchemaView.as_view(), name="pipeline-schema"),
    re_path(
        r"^schemas/connections/(?P<connection_type>[^/]+)\.json/?$",
        ConnectionSchemaView.as_view(),
        name="connection-schema",
    ),
]
