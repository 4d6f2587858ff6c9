// The operator's command line, a client of the public API alone.

#include <iostream>
#include <string_view>
#include <utility>

#include "services/common/log/log.h"
#include "tools/cli/cli.h"

int main(int argc, char** argv) {
  // Commands say themselves what went wrong; log lines would repeat it.
  sallyport::LogOptions log;
  log.service = "sallyport";
  log.writer = [](std::string_view) {};
  sallyport::InitLogging(std::move(log));
  return sallyport::cli::RunCli(argc, argv, std::cout, std::cerr);
}
