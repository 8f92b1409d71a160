from catalog.models.check import FAILING, Check, CheckResult, ResultStatus, Severity
from catalog.models.connection import Connection, ConnectionSecret, DataKey
from catalog.models.dataset import Dataset, DatasetAlias, DatasetColumn
from catalog.models.discovered import DiscoveredPipeline
from catalog.models.event import EventInbox, Facet, FacetUse
from catalog.models.identity import identity_of
from catalog.models.lineage import ColumnLink, Direction, LineageLink, LineageVersion, LinkOrigin
from catalog.models.pipeline import (
    HEALTH_ORDER,
    Health,
    Pipeline,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
)
from catalog.models.run import ENDED, LIVE, Run, RunStatus
from catalog.models.step import Step

__all__ = [
    "ENDED",
    "FAILING",
    "HEALTH_ORDER",
    "LIVE",
    "Check",
    "CheckResult",
    "ColumnLink",
    "Connection",
    "ConnectionSecret",
    "DataKey",
    "Dataset",
    "DatasetAlias",
    "DatasetColumn",
    "Direction",
    "DiscoveredPipeline",
    "EventInbox",
    "Facet",
    "FacetUse",
    "Health",
    "LineageLink",
    "LineageVersion",
    "LinkOrigin",
    "Pipeline",
    "PipelineJob",
    "PipelineOwner",
    "PipelineTag",
    "PipelineVersion",
    "ResultStatus",
    "Run",
    "RunStatus",
    "Severity",
    "Step",
    "identity_of",
]
