-- The account of an analyst, who reads the view. A view runs with the rights of
-- who queries it, so he needs those to read what is below it.
GRANT SELECT ON penstock.telemetry_all TO analyst;
GRANT SELECT ON penstock.telemetry TO analyst;
GRANT SELECT ON penstock.telemetry_sealed TO analyst;
GRANT NAMED COLLECTION ON penstock_cold TO analyst;
GRANT READ ON S3 TO analyst;
GRANT CREATE TEMPORARY TABLE ON *.* TO analyst;
