#pragma once

#include <string>
#include <vector>

#include "tests/functional/project.hpp"

namespace mlpipe {

// What is wrong with the project's store, looked at without changing it: bytes that the index names and that
// are not there or do not hash to their names.
std::vector<std::string> store_faults(const Project& project);

// How many results the index has for a step, failed ones included.
std::size_t results_of(const Project& project, const std::string& step);

// Every file of the store with its inode, size and time of change: equal when nothing was written. (SQLite of
// root sets the owner of its files anew, which is no write.)
std::vector<std::string> store_listing(const Project& project);

}  // namespace mlpipe
