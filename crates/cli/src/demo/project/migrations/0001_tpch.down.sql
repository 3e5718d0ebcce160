DROP TABLE lineitem;
DROP TABLE orders;
DROP TABLE partsupp;
DROP TABLE part;
DROP TABLE customer;
DROP TABLE supplier;
DROP TABLE nation;
DROP TABLE region;
