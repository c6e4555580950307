"""`clipjury stats`: statistics on plain files, without a study or a server; one module for each command."""

import typer

from app.commands.stats.agreement import agreement
from app.commands.stats.anchoring import anchoring
from app.commands.stats.association import association
from app.commands.stats.calibrate import calibrate
from app.commands.stats.cascade import cascade
from app.commands.stats.consensus import consensus
from app.commands.stats.fairness import fairness
from app.commands.stats.ppi import ppi
from app.commands.stats.raters import raters
from app.commands.stats.talkvid import talkvid

commands = typer.Typer(no_args_is_help=True, help="Agreement, consensus, thresholds and audits on plain files.")
for command in (agreement, consensus, raters, calibrate, cascade, fairness, association, anchoring, ppi, talkvid):
    commands.command()(command)
