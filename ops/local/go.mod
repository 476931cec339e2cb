module penstock/ops/local

go 1.26
