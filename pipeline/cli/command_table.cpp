#include "pipeline/cli/commands.hpp"

namespace mlpipe {
namespace {

const ArgumentSpec file_argument{"FILE",
                                 "the pipeline's file, or its folder; ./pipeline.yaml when not given"};
const OptionSpec json_option{"--json", "", "print one JSON document on standard output"};
const OptionSpec file_option{"-f,--file", "FILE", "the pipeline whose store it is about"};
const OptionSpec store_option{"--store", "DIR",
                              "the store it is about; otherwise $MLPIPE_STORE, or the nearest one"};
const OptionSpec set_option{"--set", "NAME=VALUE", "use another value for a param", true};
const OptionSpec force_option{"--force", "STEP", "run a step although its result is there", true};
const OptionSpec until_option{"--until", "STEP", "only this step and what it needs; nothing is published"};
const OptionSpec alias_option{"--alias", "NAME", "the deployment it is about, when there are several"};

std::vector<CommandSpec> make_table() {
  return {
      {"init",
       "write a pipeline that runs into an empty folder",
       {{"DIR", "the folder; this one when not given"}},
       {},
       init_command,
       {}},
      {"lint",
       "check the pipeline's file and what it names, without running anything",
       {file_argument},
       {set_option, json_option},
       lint_command,
       {}},
      {"plan",
       "show what would run, and why",
       {file_argument},
       {set_option, until_option, force_option, json_option},
       plan_command,
       {}},
      {"run",
       "do what changed: run jobs, publish the model, roll the deployment to it",
       {file_argument},
       {set_option,
        until_option,
        force_option,
        {"-j,--jobs", "N", "how many jobs run at once; as many as there are cores when not given"},
        {"-k,--keep-going", "",
         "let the rest of a matrix go on when one of it fails; other steps that do not need what failed "
         "always do"},
        {"--dry-run", "", "the same as plan"},
        json_option},
       run_command,
       {}},
      {"logs",
       "show what a step, or a deployment's server, wrote",
       {{"STEP", "a step, or the alias of a deployment", true}},
       {{"-F,--follow", "", "go on as it writes, until it ends"}, file_option, store_option, json_option},
       logs_command,
       {}},
      {"status",
       "show what is deployed, and how it is",
       {file_argument},
       {file_option, store_option, json_option},
       status_command,
       {}},
      {"predict",
       "ask a deployment",
       {{"DATA",
         "one example or a list of them, as JSON or as comma-separated numbers; @FILE and - read them",
         true}},
       {alias_option, file_option, store_option, json_option},
       predict_command,
       {}},
      {"down",
       "stop what this store deployed",
       {file_argument},
       {alias_option, file_option, store_option, json_option},
       down_command,
       {}},
      {"models",
       "list, show and move published models",
       {},
       {},
       {},
       {
           {"ls",
            "list the releases",
            {{"NAME", "of one model only"}},
            {file_option, store_option, json_option},
            models_list_command,
            {}},
           {"show",
            "show where a release comes from",
            {{"MODEL", "NAME, NAME:VERSION or NAME@ALIAS", true}},
            {file_option, store_option, json_option},
            models_show_command,
            {}},
           {"rollback",
            "move the alias, and what serves, back to the release before",
            {{"NAME", "the model; may be left out when there is one"}},
            {{"--to", "VERSION", "the release to go back to"},
             alias_option,
             file_option,
             store_option,
             json_option},
            models_rollback_command,
            {}},
           {"promote",
            "move the alias, and what serves, to a release",
            {{"MODEL", "NAME:VERSION", true}},
            {alias_option, file_option, store_option, json_option},
            models_promote_command,
            {}},
           {"export",
            "copy a release's files out of the store",
            {{"MODEL", "NAME, NAME:VERSION or NAME@ALIAS", true}},
            {{"--to", "DIR", "the folder to make"}, file_option, store_option, json_option},
            models_export_command,
            {}},
       }},
      {"schema", "print the JSON Schema of pipeline.yaml", {}, {}, schema_command, {}},
      {"reference", "print every key of pipeline.yaml, as Markdown", {}, {}, reference_command, {}},
      {"completion", "print the completion for bash", {}, {}, completion_command, {}},
      {"man", "print the manual page", {}, {}, man_command, {}},
  };
}

}  // namespace

const std::vector<CommandSpec>& command_table() {
  static const std::vector<CommandSpec> table = make_table();
  return table;
}

}  // namespace mlpipe
