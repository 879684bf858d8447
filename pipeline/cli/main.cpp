#include "pipeline/cli/command.hpp"

int main(int argc, char** argv) {
  return mlpipe::run_command_line(argc, argv);
}
