"""The parts of DSLEstimator and DSLModel: Params, schemas, statistics, saving. They need Spark."""
