"""Glossary: what every number of a summary is, in one table."""

import re
from typing import NamedTuple

from plasticity.core.predictors import PREDICTORS


class Entry(NamedTuple):
    """One formula. In an id, <who> stands for the learner and any predictor, <column> for one of a condition table."""

    id: str
    unit: str
    formula: str
    source: str

    def explains(self, key: str) -> bool:
        """Whether this is the entry of a key of the summary."""
        pattern = re.escape(self.id).replace("<who>", f"({WHO})").replace("<column>", ".+")
        return re.fullmatch(pattern, key) is not None


WHO = "|".join(("model", *PREDICTORS))
TABLE = """
steps | steps | rows of the step table |
visits | visits | spans in which one regime is live; a new one begins at every shift |
tasks | visits | visits to regimes that are probed: the T of every task matrix |
kl/<who> | bits | mean over steps of KL(informed, who) | Kullback & Leibler 1951
kl_first_visit/<who> | bits | the same over the first 10 steps of first visits |
kl_return/<who> | bits | the same over the first 10 steps of returns |
loss/<who> | bits | mean over steps of -log2 q(what came) |
kl_continual/model | bits | mean over steps of KL(continual, model) |
kl_amnesic/model | bits | mean over steps of KL(amnesic, model) |
excess_loss/informed | bits | loss of the model less that of the informed observer |
excess_loss/continual | bits | loss of the model less that of the continual observer |
excess_loss/amnesic | bits | loss of the model less that of the amnesic observer |
tv/model | | mean over steps of 1/2 sum_k abs(p_k - q_k), p informed |
entropy_error/model | bits | mean over steps of abs(H(model) - H(amnesic)) | arXiv 2512.22471
not_noticed | bits | KL(informed, switching): the live regime was not known |
not_represented | bits | KL(informed, model) - KL(informed, switching): all the rest of kl/model |
skill | | (KL(amnesic) - KL(model)) / (KL(amnesic) - KL(continual)), means before dividing | Murphy 1988
skill/first_visits | | skill over first visits |
skill/returns | | skill over returns |
skill/switching | | skill of the switching observer |
skill_trend/ols | per 100 visits | least-squares slope of the skill of a visit over its number |
skill_trend/ols_low | per 100 visits | lower end of its 95 % interval, Student's t |
skill_trend/ols_high | per 100 visits | upper end |
recovery/skill50 | steps | until the mean of KL over 5 steps is half-way between the ideals'; never: the whole visit |
recovery/never | visits | those that never got there |
adaptation_trend/ols | bits per 100 visits | least-squares slope of a visit's mean of KL(model) - KL(continual) |
adaptation_trend/ols_low | bits per 100 visits | lower end of its 95 % interval, Student's t |
adaptation_trend/ols_high | bits per 100 visits | upper end |
adaptation_trend/theil_sen1968 | bits per 100 visits | median slope over all pairs of visits | Theil 1950, Sen 1968
adaptation_trend_first_visits/ols | bits per 100 visits | over first visits alone; above 0: plasticity is lost |
adaptation_trend_first_visits/ols_low | bits per 100 visits | lower end of its 95 % interval, Student's t |
adaptation_trend_first_visits/ols_high | bits per 100 visits | upper end |
switch_regret/continual | bits x steps | mean over shifts of sum of KL(model) - KL(continual) | Herbster & Warmuth 1998
switch_regret/informed | bits x steps | mean over shifts of sum of KL(model) | Herbster & Warmuth 1998
half_life/informed | steps | from a shift until the mean of KL(model) over 5 steps has halved; never: the whole visit |
half_life/never | visits | those in which it never did |
relearning_ratio/amnesic50 | | steps on returns / on first visits, to half of the amnesic bits of the first visit |
savings/ebbinghaus1885 | | 1 - relearning_ratio; above 0: relearning is faster | Ebbinghaus 1885
lca10/agem2019 | bits | mean over first visits of KL(model) after 0..10 steps, on batches not yet met | arXiv 1812.00420
dynamic_regret/expected | bits x steps | sum of KL(model) |
dynamic_regret/realised | bits x steps | sum of loss of the model less that of the informed observer |
interval_regret50/hazan2009 | bits x steps | the largest sum of KL(model) over 50 steps | Hazan & Seshadhri 2009
code_length/dawid1984 | bits x steps | sum of -log2 q(what came), prequential; per asked position | Dawid 1984
fading_loss99/gama2013 | bits | S_n / sum .99^i, S_t = loss_t + .99 S_(t-1) | Gama et al. 2013
forgetting/chaudhry2018 | bits | mean_(j<T) e[T,j] - min_(j<=l<T) e[l,j] | arXiv 1801.10112
forgetting/avalanche2021 | bits | mean_(j<T) e[T,j] - e[j,j] | arXiv 2104.00405
forgetting/mammoth2020 | bits | mean_(j<T) e[T,j] - min_(j<=l<=T) e[l,j] | arXiv 2004.07211
forgetting_ratio/hat2018 | | mean_j (e_uniform - e[T,j]) / (e_uniform - e_continual) - 1; 0: as joint | arXiv 1801.01423
bwt/gem2017 | bits | mean_(j<T) e[j,j] - e[T,j]; above 0: later tasks helped | arXiv 1706.08840
bwt/diaz2018 | bits | mean_(i>j) e[j,j] - e[i,j]; what the library continuum calls BWT | arXiv 1810.13166
fwt/gem2017 | bits | mean_(j>1) b[j] - e[j-1,j]; b before any update, but pretrained | arXiv 1706.08840
fwt/continuum2021 | bits | -mean_(j>1) e[j-1,j]: no baseline | arXiv 2102.06253
fwt/clarena2025 | bits | mean_(j>1) e_independent[j] - e[j,j] | CLArena 1.1
intransigence/chaudhry2018 | bits | mean_k e[k,k] - e_continual[k,k] | arXiv 1801.10112
la/mer2019 | bits | mean_i e[i,i] | arXiv 1810.11910
acc/gem2017 | bits | mean_j e[T,j] | arXiv 1706.08840
acc/icarl2017 | bits | mean_k mean_(j<=k) e[k,j] | arXiv 1611.07725
acc/diaz2018 | bits | mean_(i>=j) e[i,j] | arXiv 1810.13166
min_acc/delange2023 | bits | mean over regimes of the most bits after the first visit, while not live | arXiv 2205.13452
wc_acc/delange2023 | bits | the same, with the regime that is live at the end as it is then | arXiv 2205.13452
wf10/delange2023 | bits | mean over regimes of the largest rise within 10 probes | arXiv 2205.13452
wp10/delange2023 | bits | mean over regimes of the largest fall within 10 probes | arXiv 2205.13452
stability_gap/delange2023 | bits | most bits during the next visit less those at the end of the own | arXiv 2205.13452
stability_gap/recovery50 | steps | from the shift until half of a gap is closed; never: until it returns or the end |
stability_gap/never | visits | gaps that were never half closed |
in_context/first | bits | KL(amnesic, model) on fresh latents, before any update |
in_context/last | bits | the same at the end |
in_context/damage | bits | last - first; above 0: updates harmed in-context inference |
world/<column> | its own | what only this world can tell: `plasticity explain stream` of its type |
<column>/mean | its own | mean over measurements of a column of the condition table |
<column>/first | its own | the first measurement |
<column>/last | its own | the last measurement |
<column>/slope | per 1000 steps | least-squares slope |
"""
"""One line per entry: id, unit, formula, source (none: ours, or the definition itself).

KL(x) is KL(informed || x) in bits per asked position, and KL(p, q) stands for KL(p || q). e[i, j] is KL(model)
on task j's probe after task i = 1..T. Bits: lower is better, but for bwt and fwt.
"""
GLOSSARY: tuple[Entry, ...] = tuple(
    Entry(*(cell.strip() for cell in line.split("|"))) for line in TABLE.strip().splitlines()
)


def explain(key: str) -> Entry:
    """The entry of a key of a summary.

    Raises:
        KeyError: nothing explains it.
    """
    for entry in GLOSSARY:
        if entry.explains(key):
            return entry
    raise KeyError(f"{key}: expected an id of the glossary")
