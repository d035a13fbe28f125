"""Run by PySpark's own Python: what Spark SQL says of frames in Parquet, as JSON; it imports nothing of ours.

Given are questions, `{"views": {name: path}, "tables": {database.name: path}, "conditions": [...],
"statements": [...]}`. Conditions are asked together
of each row of view `drawn`, in the order of `place`: an answer a row. A statement is a query of its own.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

SETTINGS = {
    "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g", "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED", "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}  # fmt: skip


def session(folder: Path) -> SparkSession:
    building = SparkSession.builder.master("local[1]").config("spark.sql.warehouse.dir", str(folder / "warehouse"))
    for name, value in SETTINGS.items():
        building = building.config(name, value)
    return building.getOrCreate()


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def rows(spark: SparkSession, statement: str) -> Any:
    """The rows of a statement, or the first line of what Spark has against it."""
    try:
        return [[plain(cell) for cell in row] for row in spark.sql(statement).collect()]
    except PySparkException as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def verdicts(spark: SparkSession, conditions: list[str]) -> list[Any]:
    """By condition its verdict on each row; where one of them fails, each is asked alone to find which."""
    if not conditions:
        return []
    chosen = ", ".join(f"coalesce({text}, TRUE) AS v{place}" for place, text in enumerate(conditions))
    found = rows(spark, f"SELECT {chosen} FROM drawn ORDER BY place")  # noqa: S608 - the rules' own SQL
    if not isinstance(found, str):
        return [list(column) for column in zip(*found, strict=True)]
    return [found] if len(conditions) == 1 else [answer for text in conditions for answer in verdicts(spark, [text])]


def main(questions: str, answers: str) -> None:
    """Answer every question of the first file into the second."""
    spark = session(Path(answers).parent)
    said = []
    for question in json.loads(Path(questions).read_text()):
        for name, path in question["views"].items():
            spark.read.parquet(path).createOrReplaceTempView(name)
        for name, path in question.get("tables", {}).items():
            spark.sql(f"CREATE DATABASE IF NOT EXISTS {name.split('.')[0]}")
            spark.read.parquet(path).write.saveAsTable(name)
        asked = [rows(spark, statement) for statement in question.get("statements", [])]
        said.append([*verdicts(spark, question.get("conditions", [])), *asked])
    Path(answers).write_text(json.dumps(said))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
