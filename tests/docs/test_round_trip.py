"""The tutorial from a database to a mart and back: what the application's table of sales says."""

import sqlite3
from contextlib import closing

from tests.world import world

ORDERS = [
    (1, "DE", 10.0, "2024-03-01 09:00:00"),
    (2, "DE", 5.5, "2024-03-01 10:00:00"),
    (3, "XX", 1.0, "2024-03-01 11:00:00"),
]


def test_orders_of_the_database_become_sales_in_it_and_follow_its_changes(tmp_path):
    path = tmp_path / "state" / "databases" / "shop.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as shop, world(tmp_path, "docs_src.round_trip") as made:
        shop.execute("create table orders (id integer primary key, country text, amount real, updated_at timestamp)")
        shop.executemany("insert into orders values (?, ?, ?, ?)", ORDERS)
        shop.commit()
        made.catch_up()
        assert shop.execute("select * from sales").fetchall() == [("DE", 2, 15.5)]
        assert made.store("shop/orders").envelopes().height == 1
        shop.execute("update orders set country = 'FR', updated_at = '2024-03-02 09:00:00' where id = 3")
        shop.execute("delete from sales where country = 'XX'")
        shop.commit()
        made.catch_up()
        assert sorted(shop.execute("select country, orders from sales").fetchall()) == [("DE", 2), ("FR", 1)]
