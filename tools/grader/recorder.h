// recorder.h: an observer that keeps what train() tells it, and asks it to end where it is told to.
#pragma once
#include <vector>

#include "neural_network.h"

class Recorder : public TrainingObserver {
  public:
    struct Wishes {
        int report_every = 1;  ///< 0: it wants to hear of no step
        int stop_after = 0;    ///< calls of stops(); 0: never
        int epochs = 0;        ///< is_done() before the next one; 0: never
    };
    Recorder(DataParallelNeuralNetwork& network, const Wishes& wishes)
        : network_(network), wishes_(wishes) {}

    int steps_between_reports() const override { return wishes_.report_every; }
    void on_step(int epoch, int step, int, double loss) override {
        add({static_cast<double>(epoch), static_cast<double>(step), loss}, told_);
        add(network_.parameters().values, after_steps_);
    }
    void on_epoch(int epoch, double loss) override {
        add({static_cast<double>(epoch), loss}, epochs_);
        add(network_.parameters().values, after_epochs_);
    }
    bool may_stop() const override { return wishes_.stop_after > 0; }
    bool stops() override { return ++asked_to_stop_ == wishes_.stop_after; }
    bool is_done() override { return wishes_.epochs > 0 && ++begun_ > wishes_.epochs; }

    const std::vector<double>& told() const { return told_; }      ///< epoch, step, loss
    const std::vector<double>& epochs() const { return epochs_; }  ///< epoch, loss
    const std::vector<nn_real>& after_steps() const { return after_steps_; }
    const std::vector<nn_real>& after_epochs() const { return after_epochs_; }

  private:
    template <class Number>
    static void add(const std::vector<Number>& what, std::vector<Number>& to) {
        to.insert(to.end(), what.begin(), what.end());
    }

    DataParallelNeuralNetwork& network_;
    const Wishes wishes_;
    int asked_to_stop_ = 0, begun_ = 0;
    std::vector<double> told_, epochs_;
    std::vector<nn_real> after_steps_, after_epochs_;
};
