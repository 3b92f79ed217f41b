# What the voltage model has learned, for the report: maps of a network with random atom inputs, and the
# neighbours that drive the voltage of each finalist. No other stage reads these files.


INTERPRETATION = {
    "interpretation": "results/voltage/interpretation/summary.json",
    "learned_elements": "results/voltage/interpretation/elements.parquet",
    "local_environments": "results/voltage/interpretation/environments.parquet",
}
# What the report asks for: nothing where interpretation is switched off.
interpretation_of_report = (
    {name: after_catalogue(path) for name, path in INTERPRETATION.items()}
    if config_model.voltage.interpretation
    else {}
)


rule voltage_interpretation:
    input:
        graphs="results/voltage/graphs.pt",
    output:
        **INTERPRETATION,
        state="results/voltage/interpretation/state.pt",
    log:
        "results/logs/voltage_interpretation.log",
    benchmark:
        "results/benchmarks/voltage_interpretation.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        epochs=config_model.voltage.epochs,
        batch_size=config_model.voltage.batch_size,
        learning_rate=config_model.voltage.learning_rate,
        weight_decay=config_model.voltage.weight_decay,
        device=config_model.voltage.device,
        atom_features=config_model.voltage.atom_features,
        convolutions=config_model.voltage.convolutions,
        hidden_features=config_model.voltage.hidden_features,
        seed=config_model.seed,
        algorithm=algorithms.VOLTAGE,
    message:
        "Training a voltage network that knows no chemistry, and mapping what it learned"
    script:
        "../workflow_scripts/voltage_interpretation.py"


rule neighbor_contributions:
    input:
        model="results/voltage/model/state.pt",
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
    output:
        contributions="results/voltage/contributions/{material_id}/contributions.json",
    log:
        "results/logs/neighbor_contributions/{material_id}.log",
    benchmark:
        "results/benchmarks/neighbor_contributions/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        working_ion=config_model.working_ion,
        algorithm=algorithms.VOLTAGE,
    message:
        "Neighbours that drive the voltage of {wildcards.material_id}"
    script:
        "../workflow_scripts/neighbor_contributions.py"
