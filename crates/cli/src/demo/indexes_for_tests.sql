CREATE INDEX t_part ON lineitem (l_partkey);
CREATE INDEX t_customer ON orders (o_custkey);
CREATE INDEX t_status ON lineitem (l_linestatus);
