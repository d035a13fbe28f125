{#- A model's schema is its domain, without dbt's prefix of the target's own schema: environments have a file each. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
