"""What a running box's database holds, column by column, as SQL has it: a line of JSON each, {"column": "table.column",
"hex": all of its values one after the other}. Argument: the file.
"""

import json
import sqlite3
import sys


def encoded(value):
    return value if isinstance(value, bytes) else str(value).encode()


def main():
    database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for column in columns:
            values = database.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
            text = b"\n".join(encoded(row[0]) for row in values)
            print(json.dumps({"column": f"{table}.{column}", "hex": text.hex()}))


main()
