// chart.h: the curves of a training: loss, on a logarithmic scale, and accuracy, over the epochs.
//
// Each curve has its own panel, so that nobody must ask to which axis a curve belongs. Panels are
// SVG elements of a fixed size in which letters stay readable on a telephone. A page may put them
// beside or under each other.
#pragma once
#include <string>
#include <vector>

#include "app/run/history.h"

/// One panel for the loss and one for the accuracy. Each is an SVG element, light or dark as the
/// reader's system is. Losses that a logarithm cannot show (0, not finite) are left out.
/// accuracy_name: "held-out" or "test"; empty: no accuracy is drawn. `unit` names the horizontal
/// axis ("epoch").
std::vector<std::string> svg_panels(const History& history, const std::string& accuracy_name,
                                    const std::string& unit);

/// The panels side by side, as one SVG element.
std::string svg_chart(const History& history, const std::string& accuracy_name,
                      const std::string& unit);

/// One of several runs: a line over the seconds of its training.
struct NamedHistory {
    std::string name;
    History history;
    bool diverged = false;  ///< after these epochs
};

/// One panel with the accuracy of all runs over their seconds, and their names beside it. A dashed
/// line stands at `goal` per cent, if it is above 0.
std::string svg_race(const std::vector<NamedHistory>& runs, double goal);

/// The panels as a script for gnuplot, which writes a PNG to its standard output.
std::string gnuplot_chart(const History& history, const std::string& accuracy_name,
                          const std::string& unit);

/// --plot FILE.svg or FILE.png; a PNG is drawn by gnuplot. check_plot(), called before training,
/// throws InputError for another ending, for a file that cannot be written, and for .png if gnuplot
/// is missing or cannot draw PNG files. write_plot() throws InputError if the file cannot be made,
/// Failure if writing it or gnuplot fails.
void check_plot(const std::string& file);
void write_plot(const std::string& file, const History& history, const std::string& accuracy_name,
                const std::string& unit);
