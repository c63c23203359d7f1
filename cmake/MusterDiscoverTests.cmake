# Script: asks the Catch2 EXECUTABLE for its test cases and writes OUTPUT, which registers each with
# CTest as "NAME: test case", with LABELS and TIMEOUT.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${EXECUTABLE} --list-test-names-only
  OUTPUT_VARIABLE cases ERROR_VARIABLE errors RESULT_VARIABLE count)
# Catch2 v2 returns the number of test cases here.
if(NOT count MATCHES "^[0-9]+$" OR count EQUAL 0 OR cases STREQUAL "")
  message(FATAL_ERROR "${EXECUTABLE} lists no test case (${count}): ${errors}")
endif()
if(cases MATCHES ";")
  message(FATAL_ERROR "${EXECUTABLE}: a test case's name must not hold a semicolon")
endif()

set(script "")
string(REGEX REPLACE "\n+$" "" cases "${cases}")
# Brackets would be taken for list syntax when the lines are split.
string(REPLACE "[" "<open>" cases "${cases}")
string(REPLACE "]" "<close>" cases "${cases}")
string(REPLACE "\n" ";" cases "${cases}")
foreach(case IN LISTS cases)
  string(REPLACE "<open>" "[" case "${case}")
  string(REPLACE "<close>" "]" case "${case}")
  # What Catch2 would read as syntax of its test specification. A specification that matches
  # nothing would pass, but for the warning.
  string(REGEX REPLACE "([][,\\*])" "\\\\\\1" spec "${case}")
  string(APPEND script
    "add_test([==[${NAME}: ${case}]==] [==[${EXECUTABLE}]==] [==[${spec}]==] --warn NoTests)\n"
    "set_tests_properties([==[${NAME}: ${case}]==] PROPERTIES\n"
    "  LABELS \"${LABELS}\" TIMEOUT ${TIMEOUT} SKIP_RETURN_CODE 77)\n")
endforeach()
file(WRITE ${OUTPUT} "${script}")
