"""The sample: the customers of two shops in one SQLite table, made with the standard library, as another program would.

Ana's customers have the ids 1 to 12, Bruno's 13 to 24.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

FILE = "lojas.db"
TABLE = "customers"
ADMIN_TOKEN = "demo-admin-token"
ANA_TOKEN = "token-of-ana"
BRUNO_TOKEN = "token-of-bruno"

_SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    phone TEXT,
    city TEXT,
    credit DECIMAL(10, 2) NOT NULL DEFAULT 0,
    active BOOLEAN NOT NULL DEFAULT 1,
    since DATE,
    user_token TEXT NOT NULL
);
CREATE INDEX customers_by_user ON customers (user_token);
"""
_ANAS = (
    ("Antônio Ferreira", "5581988010101", "Recife", 350, 1, "2023-02-11"),
    ("Beatriz Nogueira", "5581988020202", "Olinda", 0, 1, "2023-05-30"),
    ("Caio Albuquerque", "5581988030303", "Recife", 120.5, 1, "2023-08-19"),
    ("Daniela Cavalcanti", "5581988040404", "Jaboatão dos Guararapes", 75, 0, "2024-01-08"),
    ("Eduardo Lins", "5583988050505", "João Pessoa", 980.9, 1, "2024-02-27"),
    ("Fernanda Moura", "5581988060606", "Recife", 40, 1, "2024-04-15"),
    ("Gustavo Tenório", None, "Caruaru", 0, 0, "2024-07-03"),
    ("Helena Brandão", "5581988080808", "Recife", 510.25, 1, "2024-09-21"),
    ("Ícaro Vasconcelos", "5581988090909", "Olinda", 15, 1, "2024-12-12"),
    ("Joana Siqueira", "5584988101010", "Natal", 260, 1, "2025-03-06"),
    ("Luiz Queiroga", "5581988111111", "Paulista", 33.33, 1, "2025-06-17"),
    ("Marta Xavier", "5581988121212", "Recife", 1200, 1, "2025-10-01"),
)
_BRUNOS = (
    ("Alice Prado", "5511977010101", "São Paulo", 640, 1, "2022-11-05"),
    ("Bernardo Teles", "5511977020202", "Guarulhos", 0, 1, "2023-01-22"),
    ("Cecília Ramos", "5519977030303", "Campinas", 89.9, 1, "2023-04-18"),
    ("Davi Monteiro", "5511977040404", "São Paulo", 430, 0, "2023-09-09"),
    ("Elisa Fonseca", "5513977050505", "Santos", 55, 1, "2024-02-02"),
    ("Fábio Guimarães", "5511977060606", "Osasco", 720.4, 1, "2024-05-25"),
    ("Giovana Pires", "5511977070707", "São Paulo", 10, 1, "2024-08-14"),
    ("Heitor Rezende", None, "Sorocaba", 0, 0, "2024-11-30"),
    ("Isabela Duarte", "5511977090909", "São Paulo", 305.75, 1, "2025-01-16"),
    ("João Pacheco", "5516977101010", "Ribeirão Preto", 95, 1, "2025-04-04"),
    ("Karina Salles", "5511977111111", "São Paulo", 2150, 1, "2025-07-28"),
    ("Leonardo Brito", "5512977121212", "São José dos Campos", 60, 1, "2025-11-11"),
)


def make(folder: Path) -> Path:
    """Makes the database in the folder and gives its file."""
    file = folder / FILE
    insert = "INSERT INTO customers (name, phone, city, credit, active, since, user_token) VALUES (?, ?, ?, ?, ?, ?, ?)"
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(_SCHEMA)
        database.executemany(insert, [(*row, ANA_TOKEN) for row in _ANAS])
        database.executemany(insert, [(*row, BRUNO_TOKEN) for row in _BRUNOS])
    return file
