{#- dbt's default. A view on the lake reads what lives in the memory of one run, so its rows are kept as a table's. -#}
{% materialization view, adapter='duckdb' %}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}
