#pragma once

#include "pipeline/cli/command.hpp"

namespace mlpipe {

// What the commands do; each returns the exit status. The table in command_table.cpp names them.
int init_command(const Invocation& invocation);
int lint_command(const Invocation& invocation);
int plan_command(const Invocation& invocation);
int run_command(const Invocation& invocation);
int why_command(const Invocation& invocation);
int graph_command(const Invocation& invocation);
int runs_command(const Invocation& invocation);
int show_command(const Invocation& invocation);
int diff_command(const Invocation& invocation);
int cancel_command(const Invocation& invocation);
int get_command(const Invocation& invocation);
int logs_command(const Invocation& invocation);
int status_command(const Invocation& invocation);
int predict_command(const Invocation& invocation);
int deploy_command(const Invocation& invocation);
int down_command(const Invocation& invocation);
int models_list_command(const Invocation& invocation);
int models_show_command(const Invocation& invocation);
int models_history_command(const Invocation& invocation);
int models_who_was_command(const Invocation& invocation);
int models_diff_command(const Invocation& invocation);
int models_rollback_command(const Invocation& invocation);
int models_promote_command(const Invocation& invocation);
int models_check_command(const Invocation& invocation);
int models_export_command(const Invocation& invocation);
int models_push_command(const Invocation& invocation);
int models_pull_command(const Invocation& invocation);
int store_list_command(const Invocation& invocation);
int store_cat_command(const Invocation& invocation);
int store_diff_command(const Invocation& invocation);
int store_usage_command(const Invocation& invocation);
int store_pin_command(const Invocation& invocation);
int store_unpin_command(const Invocation& invocation);
int store_pins_command(const Invocation& invocation);
int store_collect_command(const Invocation& invocation);
int store_verify_command(const Invocation& invocation);
int store_export_command(const Invocation& invocation);
int store_import_command(const Invocation& invocation);
int schema_command(const Invocation& invocation);
int reference_command(const Invocation& invocation);
int completion_command(const Invocation& invocation);
int man_command(const Invocation& invocation);

// --keep-runs: how many runs of each pipeline gc keeps.
std::size_t runs_to_keep(const Invocation& invocation);

}  // namespace mlpipe
