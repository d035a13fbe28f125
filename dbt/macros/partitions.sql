{#-
  Incremental by stored partition. A partition is built again when its fingerprint differs from the one that the model
  keeps: the number of its rows, when each of them was ingested, and the model's own code. So a late or replayed file
  is seen however late it is, rows that a revised file no longer has are gone, and a changed model rebuilds itself.
  Only `_ingested_at` is read to find out, a column that hardly takes any room.
-#}

{% macro fingerprint() -%}
    count(*) || '-' || sum(epoch_us(_ingested_at)) || '-{{ local_md5(model.raw_code)[:12] }}'
{%- endmacro %}

{#- The SQL condition on `_partition` that holds for what must be built; pushed down to the files as literals. -#}
{% macro changed_partitions(relation) -%}
    {%- if not execute or not is_incremental() -%}
        true
    {%- else -%}
        {%- set query -%}
            select _partition from (
                select _partition, {{ fingerprint() }} as _fingerprint from {{ relation }} group by _partition
                except select distinct _partition, _fingerprint from {{ this }}
            )
        {%- endset -%}
        {%- set found = run_query(query).columns[0].values() -%}
        {%- if found -%}
            _partition in ('{{ found | join("', '") }}')
        {%- else -%}
            false
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- For a post-hook: partitions that the source no longer has leave the model too. -#}
{% macro forget_partitions(relation) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where _partition not in (select distinct _partition from {{ relation }})
    {%- endif -%}
{%- endmacro %}
