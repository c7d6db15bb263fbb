"""The options of the fastlr command, and of its subcommands."""

import argparse
import csv
from collections.abc import Callable
from typing import Any

import fastlr
from fastlr import backends, solvers
from fastlr.cli import commands as subcommands
from fastlr.cli import demo as demonstration
from fastlr.cli.completion import SHELLS, script
from fastlr.data import arguments as checked_arguments

_EXIT_CODES = f"""\
exit codes:
  0    all went well
  1    something is wrong with the data or a file; one line on standard error says what
       (python -X dev -m fastlr shows the traceback)
  2    wrong options
  {subcommands.NOT_CONVERGED}    trained and written, but not converged, or the classes are separated
  130  interrupted
  141  the program that reads the output has closed it
"""
_EXAMPLES = """\
examples:
  fastlr demo                                               compare the backends on made-up data
  fastlr train table.csv --target bought -o model.json      train, print the summary, and save the model
  fastlr predict model.json new.csv -o predictions.csv      labels and probabilities of new rows
  fastlr evaluate model.json test.csv --target bought       how good they are
  fastlr path table.csv --target bought --folds 10 --plot path.svg
  fastlr train table.csv --formula 'bought ~ age + C(city)'
  fastlr COMMAND --help                                     all options of a subcommand

"""


def _number(**bounds: float) -> Callable[[str], float]:
    return lambda text: _checked(checked_arguments.number, float, text, **bounds)


def _integer(at_least: int) -> Callable[[str], int]:
    return lambda text: _checked(checked_arguments.integer, int, text, at_least=at_least)


def _checked(check: Callable[..., Any], kind: Callable[[str], Any], text: str, **bounds: float) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    try:
        return check("it", value, **bounds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _names(text: str) -> list[str]:
    """Split the names of columns at commas; a name with a comma stands in quotes."""
    names = next(csv.reader([text]), [])
    if len(set(names)) < len(names) or not names:
        raise argparse.ArgumentTypeError("name each column once, with commas between them")
    return names


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not one ASCII character, or tab")
    return text


def _file(text: str) -> str:
    if text == "-":
        raise argparse.ArgumentTypeError("a model needs a file of its own; the summary goes to standard output")
    return text


# What argparse is told about the options and arguments that several subcommands have.
_SHARED: dict[str, dict[str, Any]] = {
    "model": {"metavar": "MODEL", "help": "file that fastlr train has written"},
    "--weight": {"metavar": "COLUMN", "help": "how often each row counts"},
    "--offset": {"metavar": "COLUMN", "help": "a number that is added to the log-odds of each row"},
    "--class-weight": {"choices": ["balanced"], "help": "give all classes the same total weight"},
    "--no-intercept": {"dest": "intercept", "action": "store_false", "help": "train without an intercept"},
    "--level": {"type": _number(above=0.0), "default": 0.95, "metavar": "P", "help": "level of the intervals (default 0.95)"},
    "--backend": {"choices": ["auto", *backends.available_backends()], "default": "auto", "help": "default auto"},
    "--threads": {"type": _integer(1), "metavar": "K", "help": "the most threads (default: all)"},
    "--json": {"action": "store_true", "help": "print JSON"},
}


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command, with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="fastlr", description="Logistic regression that trains as fast as the machine can read the data.",
        epilog=_EXAMPLES + _EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fastlr {fastlr.__version__}")
    commands = parser.add_subparsers(title="subcommands", metavar="COMMAND", required=True)

    def command(run: Callable[[argparse.Namespace], int | None], name: str, help: str,
                description: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=description, epilog=_EXIT_CODES, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
        made.set_defaults(run=run)
        return made

    _add_train(command(subcommands.train, "train", "train on a table and save the model", """\
Train on a table, print the summary, and save the model.

The table is CSV with a header (also .gz, .bz2, .zst, .lz4), Parquet, Feather
(.feather, .arrow, .ipc) or .npy, whose columns are called x0, x1, and so on.
"-" is CSV on standard input.  Features must be numbers, with none missing.

The target has two labels or more, numbers or text.  They come back as they stand
in the file.  The second of two labels is y = 1, whose probability is modeled: the
larger number, the later text in the alphabet, or what --event says.

Rows in messages count from 1, below the header.  Row numbers are not used as a
feature, and a note says so: the index of a pandas frame in Parquet or Feather,
and columns of CSV without a name."""))
    _add_path(command(subcommands.path, "path", "train for many penalties, and choose one", """\
Train on a table for each of many penalties, from one that leaves all
coefficients 0 down.  Print how many columns each model has chosen and how much
of the deviance it explains.  With --folds, cross-validation scores the models.
Tables and labels are as for fastlr train."""))
    _add_predict(command(subcommands.predict, "predict", "predict labels and probabilities for a table", """\
Write the predicted label and the probability of each class for every row.

Columns are found by name, in any order.  Columns that the model doesn't know are
left alone.  If the model was trained on an array and has no names, all columns
are its features, in their order."""))
    _add_evaluate(command(subcommands.evaluate, "evaluate", "compare predicted probabilities with labels", """\
Predict every row of a table that has labels, and print how good that is:
log-loss, accuracy, area under the ROC curve, calibration, confusion.

Use rows that the model was not trained on."""))
    summary = command(subcommands.summary, "summary", "print the coefficients of a model, with standard errors",
                      "Print the coefficients with their standard errors, as they were when the model was trained.")
    _add(summary, "model", "--level", "--json")
    info = command(subcommands.info, "info", "print versions, backends, threads and the compile cache",
                   "Print what a bug report needs: versions, backends, threads and the compile cache.")
    completion = command(lambda options: print(script(options.shell, commands.choices)), "completion",
                         "print a script with which a shell completes options",
                         "Print a script that completes subcommands and options; its first line says where it goes.")
    completion.add_argument("shell", choices=SHELLS)
    _add(info, "--json")
    demo = command(lambda options: demonstration.run(options.rows, options.features, options.classes, options.threads), "demo",
                   "train on made-up data with every backend and compare them", """\
Make data from a known model, take the same gradient descent steps with every
backend, and print what a step costs, how fast X is read, and whether the
results agree.""")
    demo.add_argument("--rows", type=_integer(1), default=100_000, metavar="M", help="examples to train on (default %(default)s)")
    demo.add_argument("--features", type=_integer(1), default=50, metavar="N", help="features (default %(default)s)")
    demo.add_argument("--classes", type=_integer(2), default=2, metavar="K", help="classes (default %(default)s)")
    _add(demo, "--threads")
    return parser


def _add(parser: Any, *names: str) -> None:
    """Add options that several subcommands have."""
    for name in names:
        parser.add_argument(name, **_SHARED[name])


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("data", metavar="DATA", help='table to train on; "-" for standard input')
    train.add_argument("-o", "--output", type=_file, metavar="MODEL", help="file for the model; without it, only the summary is "
                       "printed")
    _add(train, "--json")

    columns = train.add_argument_group("columns")
    what = columns.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", metavar="COLUMN", help="what to predict")
    what.add_argument("--formula", metavar="FORMULA", help="labels ~ features in the language of R, such as "
                      "'bought ~ age + C(city)'; the summary is printed, and no model file is written (pip install formulaic)")
    _add_columns(columns)
    _add_dialect(train)

    model = train.add_argument_group("model")
    model.add_argument("--l1", type=_number(at_least=0.0), default=0.0, metavar="L1", help="strength of the penalty "
                       "l1 ||w||_1, which makes weights 0 (default 0)")
    model.add_argument("--l2", type=_number(at_least=0.0), default=0.0, metavar="L2", help="strength of the penalty "
                       "(l2/2) ||w||^2, which is added to the mean loss (default 0)")
    robust = model.add_mutually_exclusive_group()
    robust.add_argument("--covariance", choices=["model", "HC0", "HC1", "HC2", "HC3"], default="model",
                        help="where standard errors come from; HC0 to HC3 hold even if the model is wrong (default model)")
    robust.add_argument("--cluster", type=_names, default=[], metavar="A[,B]", help="clustered standard errors, which hold if "
                        "groups are independent: a column of groups, or two for two ways of grouping")
    _add(model, "--level", "--class-weight", "--no-intercept")

    training = train.add_argument_group("training")
    training.add_argument("--solver", choices=solvers.NAMES, default="auto", help="default auto")
    training.add_argument("--tol", type=_number(at_least=0.0), metavar="T", help="stop when the gradient in standardized "
                          "coordinates is at most this (default 1e-8)")
    training.add_argument("--max-iter", type=_integer(0), metavar="K", help="the most updates (default 10000)")
    training.add_argument("--learning-rate", type=_number(above=0.0), metavar="ALPHA", help="gradient descent with this step and "
                          "exactly --max-iter updates, unless --tol is given too")
    _add(training, "--backend", "--threads")


def _add_path(path: argparse.ArgumentParser) -> None:
    path.set_defaults(cluster=[])
    path.add_argument("data", metavar="DATA", help='table to train on; "-" for standard input')
    path.add_argument("-o", "--output", type=_file, metavar="FILE", help="JSON file for the path, which fastlr.Path.load reads")
    path.add_argument("--plot", metavar="FILE", help="draw the coefficients, and the scores beside them, into a file such as "
                      "path.svg (pip install matplotlib)")
    _add(path, "--json")
    columns = path.add_argument_group("columns")
    columns.add_argument("--target", required=True, metavar="COLUMN", help="what to predict")
    _add_columns(columns)
    _add_dialect(path)

    model = path.add_argument_group("models")
    model.add_argument("--l1-ratio", type=_number(at_least=0.0), default=1.0, metavar="R", help="share of l1 in the penalty, "
                       "from 0 to 1 (default 1)")
    model.add_argument("--lambdas", type=_integer(1), default=100, metavar="L", help="the most penalties (default 100)")
    model.add_argument("--smallest", type=_number(above=0.0), metavar="SHARE", help="the last penalty, as a share of the first "
                       "(default 1e-4, or 0.01 where there are no more rows than columns)")
    _add(model, "--class-weight", "--no-intercept")
    choice = path.add_argument_group("cross-validation")
    choice.add_argument("--folds", type=_integer(2), metavar="K", help="number of folds (default: no cross-validation)")
    choice.add_argument("--score", choices=["deviance", "accuracy", "auc"], default="deviance", help="score of held-out rows "
                        "(default deviance)")
    choice.add_argument("--seed", type=_integer(0), default=0, metavar="S", help="seed of the draw of the folds (default 0)")
    training = path.add_argument_group("training")
    training.add_argument("--tol", type=_number(above=0.0), metavar="T", help="bound on the gradient in standardized "
                          "coordinates, and on the gap relative to J (default 1e-6)")
    _add(training, "--backend", "--threads")


def _add_columns(columns: Any) -> None:
    columns.add_argument("--event", metavar="LABEL", help="which of two labels is y = 1 (default: the larger number, or the "
                         "later text)")
    which = columns.add_mutually_exclusive_group()
    which.add_argument("--features", type=_names, metavar="A,B,...", help="columns to predict from (default: all others)")
    which.add_argument("--drop", type=lambda text: _names(text) if text else [""], default=[], metavar="A,B,...",
                       help="columns to leave out, such as ids ('': those without a name)")
    _add(columns, "--weight", "--offset")
    columns.add_argument("--missing", choices=["raise", "drop"], default="raise", help="whether a row that lacks a value in a "
                         "used column is an error, or is left out (default raise)")


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    _add(evaluate, "model")
    evaluate.add_argument("data", metavar="DATA", help='table with labels; "-" for standard input')
    evaluate.add_argument("--target", required=True, metavar="COLUMN", help="the labels")
    _add(evaluate, "--weight", "--offset")
    evaluate.add_argument("--plot", metavar="FILE", help="draw calibration, and for two labels the ROC curve, into a "
                          "file such as plot.png (pip install matplotlib scikit-learn)")
    _add(evaluate, "--json")
    _add_dialect(evaluate)


def _add_predict(predict: argparse.ArgumentParser) -> None:
    _add(predict, "model")
    predict.add_argument("data", metavar="DATA", help='table to predict; "-" for standard input')
    predict.add_argument("-o", "--output", default="-", metavar="FILE", help="table to write, of the type that its name says; "
                         'an older one is replaced when all is written ("-", the default: standard output)')
    predict.add_argument("--keep", type=_names, default=[], metavar="A,B,...", help="columns to copy in front, such as ids")
    _add(predict, "--offset")
    _add_dialect(predict)


def _add_dialect(parser: argparse.ArgumentParser) -> None:
    csv_files = parser.add_argument_group("CSV")
    csv_files.add_argument("--delimiter", type=_delimiter, default=",", metavar="C",
                           help='between columns (default ","; "tab" for a tab)')
    csv_files.add_argument("--decimal", choices=[".", ","], default=".", metavar="C",
                           help='the decimal point of numbers, "." (default) or ","; what is written has points')
    csv_files.add_argument("--na", action="append", metavar="TEXT", help="what stands for a missing value; may be repeated "
                           "(default: nothing, NA, N/A, NaN, null, NULL and the like).  A text in quotes is not missing")
