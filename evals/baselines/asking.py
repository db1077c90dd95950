"""Each baseline's changes for one product, before anything was decided there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.baselines.ablations import ungated
from evals.baselines.model import Advice, ModelFailed, advise, configured, load_settings
from evals.baselines.random_changes import random_changes
from evals.baselines.unmeasured import rules_of_thumb, unmeasured
from evals.options import BaselineName
from evals.products import Product
from mcp_servers.product.client import connect
from tools.messages import Trial

UNCONFIGURED = "no language model is configured; PILLION_EVAL_MODEL names one"


@dataclass(frozen=True)
class Asked:
    """What a baseline may look at: the product as it was, and what Pillion's finder found."""

    product: Product
    trials: Sequence[Trial]
    scratch: Path

    async def advice(self, name: BaselineName) -> Advice:
        """Return what a baseline would change, and a note where it could not say."""
        match name:
            case "rules":
                return Advice(rules_of_thumb(self.trials))
            case "unmeasured":
                return Advice(unmeasured(self.trials))
            case "ungated":
                return Advice(await ungated(self.product, self.scratch / "ungated"))
            case "random":
                return await self._random()
            case "model":
                return await self._model()
            case "silent" | "forgetful":
                return Advice({})

    async def _random(self) -> Advice:
        scenario = self.product.scenario
        async with connect(self.product.target()) as client:
            described = await client.describe_product()
        return Advice(random_changes(scenario.family, described.tables, scenario.seed))

    async def _model(self) -> Advice:
        try:
            model = configured(load_settings())
            if model is None:
                return Advice({}, UNCONFIGURED)
            async with connect(self.product.target()) as client:
                described = await client.describe_product()
                workload = await client.read_workload()
            return await advise(model, described, workload)
        except ModelFailed as exc:
            return Advice({}, str(exc))
