-- What `compactor erase` needs beyond the rights in compactor.sql. Give both to an
-- account of its own, which is used for that and no longer than that: it can
-- delete in the hot table.
GRANT ALTER DELETE ON penstock.telemetry TO eraser;
GRANT SELECT, ALTER DELETE ON penstock.telemetry_1m_state TO eraser;
